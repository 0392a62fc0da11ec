//! The command-line program: `secateur --help`.

mod allocator;
mod args;
mod commands;
mod ended;
mod output;
mod repl;
mod supervise;
mod table;
mod terminal;
mod ui;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::LargeBuffers = allocator::LargeBuffers;

fn main() -> ExitCode {
    allocator::keep_freed_buffers();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // What is contained becomes an error, which is shown.
        if !secateur::is_contained() {
            hook(panic);
        }
    }));
    ExitCode::from(supervise::supervised(commands::main))
}

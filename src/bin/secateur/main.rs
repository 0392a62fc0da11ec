//! The command-line program: `secateur --help`.

mod allocator;
mod args;
mod commands;
mod output;
mod repl;
mod table;
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
    // A panic outside of jobs is a bug too, with the exit code of one.
    let code = std::panic::catch_unwind(commands::main);
    ExitCode::from(code.unwrap_or(1))
}

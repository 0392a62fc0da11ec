//! `secateur compare`: faithfulness across models and methods.

use secateur::Result;
use secateur::run::pending::compare as compare_results;
use secateur::run::{read_results, write_file};

use crate::args::CompareArgs;
use crate::output;

pub(crate) fn compare(args: &CompareArgs) -> Result<u8> {
    let files = compare_results(&read_results(&args.results)?)?;
    if let Some((_, text)) = files.first() {
        output::data(text.as_bytes())?;
    }
    if let Some(folder) = &args.out {
        fs_err::create_dir_all(folder)?;
        for (name, contents) in &files {
            write_file(&folder.join(name), contents.as_bytes())?;
        }
    }
    Ok(0)
}

//! The flags of parameters that are not one value: where text comes from, and a tuned lens.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, Error, FromArgMatches, Id};

use super::lens::{Tuned, TunedFit};
use super::sae::Corpus;
use crate::flags::path;

/// Flags have the names of the keys that they set.
const SAMPLED: &str = "text.Sampled.tokens";
const SAVED: &str = "tuned.Saved";

impl Args for Corpus {
    fn augment_args(command: Command) -> Command {
        let files = Arg::new("text")
            .long("text")
            .value_name("FILE")
            .value_parser(path())
            .action(ArgAction::Append)
            .conflicts_with(SAMPLED)
            .help("A text file, read as far as it is needed. The flag may be repeated [default: text sampled from the model]");
        let sampled = Arg::new(SAMPLED)
            .long("sampled")
            .value_name("N")
            .value_parser(clap::value_parser!(usize))
            .default_value("50000")
            .help("Tokens of text sampled from the model, with `--seed`, if no file is given");
        command.arg(files).arg(sampled)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Corpus {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        if let Some(files) = matches.get_many::<PathBuf>("text") {
            return Ok(Self::Files(files.cloned().collect()));
        }
        let seed = matches.get_one::<u64>("seed").copied().unwrap_or(0);
        // A dictionary that is loaded may have been trained on the text that the seed draws.
        let loaded = matches.try_get_one::<PathBuf>("load");
        let loaded = loaded.is_ok_and(|it| it.is_some());
        Ok(Self::Sampled {
            tokens: matches.get_one(SAMPLED).copied().unwrap_or(0),
            seed: seed.wrapping_add(u64::from(loaded)),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Tuned {
    fn group_id() -> Option<Id> {
        Some(Id::from("Tuned"))
    }

    fn augment_args(command: Command) -> Command {
        let fit = Arg::new("tune")
            .long("tune")
            .action(ArgAction::SetTrue)
            .help("Fit a tuned lens and look through it too");
        let saved = Arg::new(SAVED)
            .long("tuned")
            .value_name("FILE.safetensors")
            .value_parser(path())
            .help("Look through a tuned lens that `--tune` saved");
        let group = ArgGroup::new("Tuned").args(["tune", SAVED]);
        let of_fit = TunedFit::augment_args(Command::new("fit"));
        let of_fit = of_fit.get_arguments().map(|it| it.clone().requires("tune"));
        command.arg(fit).arg(saved).group(group).args(of_fit)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Tuned {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        match matches.get_one::<PathBuf>(SAVED) {
            Some(file) => Ok(Self::Saved(file.clone())),
            None => TunedFit::from_arg_matches(matches).map(Self::Fitted),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

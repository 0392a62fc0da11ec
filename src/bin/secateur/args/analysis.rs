//! The arguments of commands that run an analysis: the keys of a spec with `analysis`.

use std::marker::PhantomData;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use secateur::analyze::{Analysis, AnyAnalysis, Shared};
use secateur::engine::Precision;
use secateur::flags::{value, value_or_path};
use secateur::metric::Metric;
use secateur::model::PrependBos;
use secateur::spec::AnalysisSpec;
use secateur::task::TaskSource;

use super::{BatchArgs, reference};

/// An analysis of a model; its parameters are flags.
#[derive(Debug, Args)]
pub(crate) struct AnalysisArgs<A: Analysis + Args> {
    /// The model.
    #[arg(value_parser = reference())]
    pub(crate) model: String,
    /// The task, such as 'Ioi(pairs: 64, seed: 0)', or a file of prompts such as rows.jsonl.
    #[arg(long, value_name = "TASK", value_parser = value_or_path(TaskSource::File, "(pairs: 64, seed: 0)"))]
    pub(crate) task: Option<TaskSource>,
    #[command(flatten, next_help_heading = "Parameters")]
    pub(crate) analysis: A,
    #[command(flatten)]
    pub(crate) shared: SharedFlags<A>,
    /// Name of the results [default: the command, the task, and a hash of the question].
    #[arg(long, value_name = "NAME", help_heading = "Results")]
    pub(crate) name: Option<String>,
    #[command(flatten, next_help_heading = "Results")]
    pub(crate) batch: BatchArgs,
}

/// The keys that analyses share, as flags: those that `A` reads.
#[derive(Debug)]
pub(crate) struct SharedFlags<A> {
    given: Given,
    of: PhantomData<A>,
}

/// The flags of all of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Evaluation")]
struct Given {
    /// The measure of the behaviour: `LogitDiff`, `ProbDiff`, `Kl`, `Nll`, `Accuracy`, `Mrr` or `L2` [default: `LogitDiff`].
    #[arg(long, value_name = "METRIC", value_parser = value::<Metric>())]
    metric: Option<Metric>,
    /// Share of the examples that are held out for evaluation [default: 0.5].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    held_out: Option<f64>,
    /// Number of resamples for the intervals; 0 for none [default: 200].
    #[arg(long, value_name = "N")]
    bootstrap: Option<usize>,
    /// Number of random baselines [default: 20].
    #[arg(long, value_name = "N")]
    random_baselines: Option<usize>,
    /// Precision of the engine: `F32` or `F64` [default: `F32`].
    #[arg(long, value_name = "PRECISION", value_parser = value::<Precision>())]
    precision: Option<Precision>,
    /// Beginning-of-sequence token before text: `Auto` (the tokenizer's rule), `Always` or `Never` [default: `Auto`].
    #[arg(long, value_name = "WHEN", value_parser = value::<PrependBos>())]
    prepend_bos: Option<PrependBos>,
}

impl<A: Analysis> Args for SharedFlags<A> {
    fn augment_args(command: Command) -> Command {
        let all = Given::augment_args(Command::new("all"));
        let read = |id: &str| A::USES.iter().any(|shared| shared.key() == id);
        let arguments = all.get_arguments().filter(|it| read(it.get_id().as_str()));
        command.args(arguments.cloned())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<A: Analysis> FromArgMatches for SharedFlags<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        /// The value of a flag that may not be one of the command's.
        fn given<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> Option<T> {
            matches.try_get_one(id).ok().flatten().cloned()
        }
        Ok(Self {
            given: Given {
                metric: given(matches, "metric"),
                held_out: given(matches, "held_out"),
                bootstrap: given(matches, "bootstrap"),
                random_baselines: given(matches, "random_baselines"),
                precision: given(matches, "precision"),
                prepend_bos: given(matches, "prepend_bos"),
            },
            of: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<A: Analysis + Args + Clone + Into<AnyAnalysis>> AnalysisArgs<A> {
    /// The spec that asks the same, and the shared keys that were given.
    pub(crate) fn spec(&self) -> (AnalysisSpec, Vec<Shared>) {
        /// Puts a value where one was given.
        fn put<T: Clone>(place: &mut T, given: Option<&T>) -> bool {
            if let Some(value) = given {
                place.clone_from(value);
            }
            given.is_some()
        }
        let mut spec = AnalysisSpec::new(&self.model, self.analysis.clone().into());
        spec.task.clone_from(&self.task);
        let given = &self.shared.given;
        let random = given.random_baselines.as_ref();
        let set = [
            (Shared::Metric, put(&mut spec.metric, given.metric.as_ref())),
            (
                Shared::HeldOut,
                put(&mut spec.held_out, given.held_out.as_ref()),
            ),
            (
                Shared::Bootstrap,
                put(&mut spec.bootstrap, given.bootstrap.as_ref()),
            ),
            (
                Shared::RandomBaselines,
                put(&mut spec.random_baselines, random),
            ),
            (
                Shared::Precision,
                put(&mut spec.precision, given.precision.as_ref()),
            ),
            (
                Shared::PrependBos,
                put(&mut spec.prepend_bos, given.prepend_bos.as_ref()),
            ),
        ];
        let keys = set
            .into_iter()
            .filter_map(|(key, given)| given.then_some(key));
        (spec, keys.collect())
    }
}

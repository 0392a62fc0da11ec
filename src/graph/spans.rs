//! Graphs in which positions are told apart: each writer once per token span.
//!
//! The residual stream does not mix positions, so an edge at a span joins a writer and a reader there: it carries what
//! the writer writes at the tokens of this span. Only attention goes from span to span, inside of heads: from the keys
//! and values of any span to the head's output at any other. Reference: Haklay et al. 2025, "Position-aware Automatic
//! Circuit Discovery", arXiv:2502.04577.

use std::collections::BTreeSet;

use super::{ComputationGraph, Qkv, Reader};
use crate::error::{Error, Result};

/// Spans that a graph can have.
pub const MOST_SPANS: usize = 64;

/// Says what is wrong with the name of a span, if anything: it stands in the names of edges and in drawings.
fn check_span_name(name: &str) -> Result<(), String> {
    let fits = |letter: char| letter.is_alphanumeric() || "_+-.' ".contains(letter);
    if name.trim().is_empty() || name.trim() != name {
        return Err(format!(
            "the span {name:?} has no name, or one with spaces around it; give it a name such as \"S2\""
        ));
    }
    if name.chars().count() > 32 || !name.chars().all(fits) || name.contains("->") {
        return Err(format!(
            "the span {name:?} has a name that cannot be used: at most 32 letters, digits, spaces and _ + - . '"
        ));
    }
    Ok(())
}

impl ComputationGraph {
    /// The graph with every writer once per span, and with the edges of each.
    ///
    /// # Errors
    /// When there is no span, too many of them, or a name is bad or given twice.
    pub fn split_by(mut self, spans: Vec<String>) -> Result<Self> {
        if spans.is_empty() || spans.len() > MOST_SPANS {
            return Err(Error::Usage(format!(
                "positions: Spans needs 1 to {MOST_SPANS} spans and there are {}",
                spans.len()
            )));
        }
        let mut seen = BTreeSet::new();
        for name in &spans {
            check_span_name(name).map_err(Error::Usage)?;
            if !seen.insert(name) {
                return Err(Error::Usage(format!("the span {name:?} is given twice")));
            }
        }
        let count = spans.len();
        let split = |writer: usize| writer * count..(writer + 1) * count;
        let writers = self.writers.iter();
        self.writers = writers
            .flat_map(|&node| std::iter::repeat_n(node, count))
            .collect();
        for before in &mut self.before {
            *before *= count;
        }
        for outputs in &mut self.outputs {
            *outputs = outputs.iter().flat_map(|&writer| split(writer)).collect();
        }
        self.spans = spans;
        self.number_edges();
        Ok(self)
    }

    /// Names of the token spans, in order; none where positions are merged.
    pub fn spans(&self) -> &[String] {
        &self.spans
    }

    /// How many times each writer is there: once where positions are merged.
    pub fn span_count(&self) -> usize {
        self.spans.len().max(1)
    }

    /// The span of a writer; `None` where positions are merged.
    pub fn span_of(&self, writer: usize) -> Option<usize> {
        (!self.spans.is_empty()).then(|| writer % self.spans.len())
    }

    /// The name of a writer, such as `a1.h2`, or `a1.h2@S2` where there are spans.
    pub fn writer_name(&self, writer: usize) -> String {
        let node = self.writers[writer];
        match self.span_of(writer) {
            Some(span) => format!("{node}@{}", self.spans[span]),
            None => node.to_string(),
        }
    }

    /// Where an edge enters: the number of the reader, times the number of spans, plus that of the span.
    pub fn place(&self, writer: usize, reader: usize) -> usize {
        let spans = self.span_count();
        reader * spans + writer % spans
    }

    /// The writers computed from what a reader reads at a span: those of the same span, and, of keys and values, those of
    /// all.
    pub fn outputs_at(&self, reader: usize, span: usize) -> impl Iterator<Item = usize> + '_ {
        let spans = self.span_count();
        let any = spans == 1
            || matches!(
                self.readers()[reader],
                Reader::Head {
                    part: None | Some(Qkv::K | Qkv::V),
                    ..
                }
            );
        let outputs = self.outputs(reader).iter().copied();
        outputs.filter(move |writer| any || writer % spans == span)
    }

    /// The places, before a reader, of what a writer is computed from.
    pub fn feeding(&self, writer: usize, reader: usize) -> impl Iterator<Item = usize> + '_ {
        let spans = self.span_count();
        let readers = (0..reader).filter(move |&reader| self.outputs(reader).contains(&writer));
        readers.flat_map(move |reader| {
            let at = (0..spans)
                .filter(move |&span| self.outputs_at(reader, span).any(|it| it == writer));
            at.map(move |span| reader * spans + span)
        })
    }

    /// An edge's name without its span, and the number of the span.
    ///
    /// # Errors
    /// When the graph has spans and the name none, the other way round, or a span that the graph has not.
    pub fn split_span<'n>(&self, name: &'n str) -> Result<(&'n str, usize), String> {
        match (name.rsplit_once('@'), self.spans.is_empty()) {
            (None, true) => Ok((name, 0)),
            (Some(_), true) => Err("positions are merged here, so edges have no span".into()),
            (None, false) => Err(format!(
                "it has no span; positions are split by spans here, as in `{name}@{}`",
                self.spans[0]
            )),
            (Some((ends, span)), false) => {
                let number = self.spans.iter().position(|other| other == span);
                let number = number.ok_or_else(|| {
                    format!(
                        "there is no span {span:?}; the spans are {}",
                        self.spans.join(", ")
                    )
                })?;
                Ok((ends, number))
            }
        }
    }
}

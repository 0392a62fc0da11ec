//! `edges.csv` and `curve.csv`.

use super::text::Text;
use crate::evaluate::CurvePoint;
use crate::graph::{Circuit, ComputationGraph, ranking};

/// The edges as rows `edge,writer,reader,score,kept`, largest `|score|` first: the full graph when there are scores,
/// else the kept edges in the graph's order with the score left empty.
pub fn edges_csv(graph: &ComputationGraph, circuit: &Circuit) -> String {
    let mut out = Text::default();
    out.line(format_args!("edge,writer,reader,score,kept"));
    let order = match &circuit.scores {
        Some(scores) => ranking(scores, true),
        None => circuit.kept.edges(graph),
    };
    for edge in order {
        let (from, to) = graph.ends(edge);
        let score = circuit
            .scores
            .as_ref()
            .map_or_else(String::new, |scores| number(scores[edge]));
        let (writer, reader) = (graph.writers()[from], graph.readers()[to]);
        let kept = circuit.kept.contains(from, to);
        out.line(format_args!(
            "{writer}->{reader},{writer},{reader},{score},{kept}"
        ));
    }
    out.0
}

/// The faithfulness curve as rows `share,edges,faithfulness`; undefined faithfulness is empty.
pub fn curve_csv(curve: &[CurvePoint]) -> String {
    let mut out = Text::default();
    out.line(format_args!("share,edges,faithfulness"));
    for point in curve {
        let faithfulness = point.faithfulness.map_or_else(String::new, number);
        out.line(format_args!(
            "{},{},{faithfulness}",
            number(point.share),
            point.edges
        ));
    }
    out.0
}

/// A number with the fewest digits that read back as the same.
pub(super) fn number(number: f64) -> String {
    format!("{number:?}")
}

/// A field, quoted where it must be.
pub(super) fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

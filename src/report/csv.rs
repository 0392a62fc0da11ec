//! `edges.csv` and `curve.csv`.

use super::json::{MAGNITUDE, SIGNED};
use super::text::Text;
use crate::evaluate::SplitScores;
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
        let (writer, reader) = (graph.writer_name(from), graph.readers()[to]);
        let (name, kept) = (graph.edge_name(edge), circuit.kept.contains(from, to));
        out.line(format_args!("{name},{writer},{reader},{score},{kept}"));
    }
    out.0
}

/// Both curves as rows `ranking,share,edges,faithfulness,low,high,accuracy,kl,accuracy_low,accuracy_high`; what is undefined is empty.
pub fn curve_csv(figures: &SplitScores) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "ranking,share,edges,faithfulness,low,high,accuracy,kl,accuracy_low,accuracy_high"
    ));
    let defined = |value: Option<f64>| value.map_or_else(String::new, number);
    for (ranking, curve) in [(MAGNITUDE, &figures.curve), (SIGNED, &figures.curve_signed)] {
        for point in curve.iter().flatten() {
            out.line(format_args!(
                "{ranking},{},{},{},{},{},{},{},{}",
                number(point.share),
                point.edges,
                defined(point.faithfulness),
                defined(point.interval.map(|[low, _]| low)),
                defined(point.interval.map(|[_, high]| high)),
                number(point.accuracy),
                number(point.kl),
                point.accuracy_interval.map(number).join(","),
            ));
        }
    }
    out.0
}

/// A number with the fewest digits that read back as the same.
pub(crate) fn number(number: f64) -> String {
    format!("{number:?}")
}

/// A field of text, quoted where it must be. What a spreadsheet would take for a formula gets an apostrophe in front, by
/// which it is text there; numbers are not fields of text.
pub(crate) fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula || text.contains([',', '"', '\n', '\r']) {
        let apostrophe = if formula { "'" } else { "" };
        format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_formula() {
        assert_eq!(field("ioi, two"), "\"ioi, two\"");
        assert_eq!(field("a-b=c"), "a-b=c");
        assert_eq!(field(" \"a\""), "\" \"\"a\"\"\"");
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            assert_eq!(field(&format!("{start}1+1")), format!("\"'{start}1+1\""));
        }
        assert_eq!(number(-0.5), "-0.5");
    }
}

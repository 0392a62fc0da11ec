//! Numbers whose sums overflow, and those that are none.

use crate::program::{refused, secateur};

use super::{out, refused_cleanly, write};

fn circuit(score: &str, figure: &str) -> String {
    let path = format!(
        "{}/circuits/gallery/results/eap-ig/circuit.ron",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = fs_err::read_to_string(path).unwrap();
    let (head, edges) = text.split_once("edges: [").unwrap();
    let start = edges.find("score: ").unwrap() + "score: ".len();
    let end = start + edges[start..].find(')').unwrap();
    let edges = format!("{}{score}{}", &edges[..start], &edges[end..]);
    format!("{head}edges: [{edges}")
        .replace("\"cpr\": 1.0045143803890852", &format!("\"cpr\": {figure}"))
}

#[test]
fn scores_that_cannot_be_summed_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (score, figure) in [
        ("1e308", "1.0"),
        ("-1e308", "1.0"),
        ("NaN", "1.0"),
        ("inf", "1.0"),
        ("1.0", "NaN"),
        ("1.0", "1e300"),
    ] {
        write(folder, "circuit.ron", circuit(score, figure));
        for arguments in [
            &["show", "circuit.ron"][..],
            &["render", "circuit.ron", "--format", "svg"],
            &["render", "circuit.ron", "--format", "html"],
        ] {
            refused_cleanly(&secateur(folder, arguments), 3, &["circuit.ron"]);
        }
    }
    for score in ["0.0", "-0.0", "5e-324", "1e-300", "1e99"] {
        write(folder, "circuit.ron", circuit(score, "1.0"));
        for format in ["svg", "pdf", "tikz", "html", "dot"] {
            let output = secateur(
                folder,
                &[
                    "render",
                    "circuit.ron",
                    "--format",
                    format,
                    "--out",
                    &out(format),
                ],
            );
            refused(&output, 0, &[]);
            let drawn = fs_err::read(folder.join(out(format))).unwrap();
            let drawn = String::from_utf8_lossy(&drawn).into_owned();
            assert!(
                format == "pdf" || !drawn.contains("NaN\""),
                "{score} as {format}"
            );
        }
    }
}

#[test]
fn figures_that_cannot_be_drawn_are_refused() {
    let gallery = format!(
        "{}/circuits/gallery/results/eap-ig",
        env!("CARGO_MANIFEST_DIR")
    );
    let report = fs_err::read_to_string(format!("{gallery}/report.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs_err::create_dir(folder.join("r")).unwrap();
    let own = fs_err::read(format!("{gallery}/circuit.ron")).unwrap();
    write(folder, "r/circuit.ron", own);
    let start = report.find("\"faithfulness\": ").unwrap() + "\"faithfulness\": ".len();
    let end = start + report[start..].find(',').unwrap();
    for number in ["1e308", "-1e101", "1e999", "NaN"] {
        write(
            folder,
            "r/report.json",
            format!("{}{number}{}", &report[..start], &report[end..]),
        );
        for command in [&["compare", "r"][..], &["figure", "r", "--out", "f"]] {
            refused_cleanly(&secateur(folder, command), 3, &["report.json"]);
        }
    }
    write(folder, "r/report.json", &report);
    write(folder, "r/edges.csv", "edge,score\ninput->logits,1e308\n");
    let output = secateur(folder, &["figure", "r", "--out", "f"]);
    refused_cleanly(&output, 3, &["edges.csv: edge `input->logits`"]);
    let record = |seconds: &str, median: &str| {
        format!(
            "{{\"work\":\"eap\",\"seconds\":[{seconds}],\"median\":{median},\"pairs\":2,\"tokens\":3,\"layers\":3,\"heads\":4,\
             \"d_model\":64,\"graph_edges\":262,\"circuits\":0,\"tau\":null,\"edges\":null,\"sweep\":[],\"operations\":1.0,\
             \"threads\":1,\"matrix_rate\":null,\"bandwidth\":null,\"share_of_matrix_rate\":null}}\n"
        )
    };
    for number in ["1e308", "1e999", "inf"] {
        write(
            folder,
            "a.jsonl",
            record(number, "1.0") + &record("1.0", number),
        );
        let output = secateur(folder, &["render", "a.jsonl", "--format", "svg"]);
        refused_cleanly(&output, 3, &["a.jsonl:1"]);
    }
    // Extremes that can be drawn are.
    let more = |seconds: &str| {
        record(seconds, "1.0").replace("\"pairs\":2", "\"pairs\":18446744073709551615")
    };
    for (one, other) in [("0", "-1"), ("5e-324", "1e100"), ("1e-300", "1e-300")] {
        write(folder, "a.jsonl", record(one, "1.0") + &more(other));
        for format in ["svg", "pdf"] {
            let output = secateur(
                folder,
                &[
                    "render",
                    "a.jsonl",
                    "--format",
                    format,
                    "--out",
                    &out(format),
                ],
            );
            refused(&output, 0, &[]);
        }
    }
}

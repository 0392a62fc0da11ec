//! SVG files that overflow stacks, multiply, panic or read other files.

use crate::program::secateur;

use super::{out, refused_cleanly, write};

const HEAD: &str =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"100\" class=\"plot\">";

#[test]
fn only_drawings_like_ours_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "secret.png", "secret");
    let digits = "597.".repeat(40);
    let same = "a".repeat(10);
    let laugh = |it: usize| {
        format!(
            "<!ENTITY e{it} \"{}\">",
            format!("&e{};", it - 1).repeat(10)
        )
    };
    let laughs = (1..9).map(laugh).collect::<Vec<_>>().concat();
    for (name, body) in [
        ("nesting", "<g>".repeat(100_000)),
        ("recursion", "<g id=\"a\"><use href=\"#a\"/></g>".into()),
        (
            "image",
            "<image href=\"./secret.png\" width=\"50\" height=\"50\"/>".into(),
        ),
        (
            "filter",
            "<filter id=\"f\"><feGaussianBlur stdDeviation=\"1e9\"/></filter>".into(),
        ),
        (
            "filter function",
            "<rect width=\"9\" height=\"9\" filter=\"blur(900px)\"/>".into(),
        ),
        (
            "mask",
            "<mask id=\"m\"><rect mask=\"url(#m)\" width=\"9\" height=\"9\"/></mask>".into(),
        ),
        (
            "pattern",
            "<pattern id=\"p\" width=\"1e-9\" height=\"1e-9\"/>".into(),
        ),
        (
            "reference",
            "<rect width=\"9\" height=\"9\" fill=\"url(#f)\"/>".into(),
        ),
        ("style", "<style>* { stroke-width: 1e30 }</style>".into()),
        ("inner svg", "<svg width=\"1e9\" height=\"1e9\"/>".into()),
        (
            "width of a line",
            "<path d=\"M0 0L9 9\" stroke=\"red\" stroke-width=\"2147483647\"/>".into(),
        ),
        (
            "place",
            format!("<text x=\"40\" y=\"97.{digits}5\">8</text>"),
        ),
        (
            "path",
            "<path d=\"M0 0L1e38 -1e38\" stroke=\"red\"/>".into(),
        ),
        ("not a number", "<rect width=\"nan\" height=\"9\"/>".into()),
        ("script", "<script>alert(1)</script>".into()),
        ("text", format!("<text>{}</text>", same.repeat(10_000))),
        ("no end", "<g><rect".into()),
    ] {
        write(folder, "a.svg", format!("{HEAD}{body}</svg>"));
        for format in ["png", "pdf", "tikz", "svg"] {
            let output = secateur(
                folder,
                &["render", "a.svg", "--format", format, "--out", &out(format)],
            );
            refused_cleanly(&output, 3, &["a.svg: not an SVG picture of secateur"]);
            assert!(!folder.join(out(format)).exists(), "{name}");
        }
    }
    write(
        folder,
        "a.svg",
        format!("<!DOCTYPE svg [<!ENTITY e0 \"ha\">{laughs}]>{HEAD}<text>&e8;</text></svg>"),
    );
    let output = secateur(folder, &["render", "a.svg", "--format", "pdf"]);
    refused_cleanly(&output, 3, &["DTD"]);
    let size = HEAD.replace("100", "1e9");
    write(folder, "a.svg", format!("{size}</svg>"));
    let output = secateur(folder, &["render", "a.svg", "--format", "png"]);
    refused_cleanly(&output, 3, &["line 1: width=\"1e9\" of <svg>"]);
}

#[test]
fn our_own_drawings_are_converted() {
    let gallery = format!("{}/circuits/gallery/results", env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for plot in [
        "lens/lens.svg",
        "neurons/doses.svg",
        "vector/sweep.svg",
        "sae/training.svg",
    ] {
        let plot = format!("{gallery}/{plot}");
        let output = secateur(
            folder.path(),
            &[
                "render",
                &plot,
                "--format",
                "svg",
                "--outlines",
                "--out",
                "a.svg",
            ],
        );
        assert_eq!(output.status.code(), Some(0));
        // What was outlined is one of ours as well.
        for format in ["png", "pdf", "tikz"] {
            let output = secateur(
                folder.path(),
                &["render", "a.svg", "--format", format, "--out", &out(format)],
            );
            assert_eq!(output.status.code(), Some(0), "{format} of {plot}");
        }
    }
}

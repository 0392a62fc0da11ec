//! The tree of a circuit: strongest first, each node's inputs once, aligned in any width.

use secateur::report::{Branch, ShowLook, ShowOptions, circuit_tree, show_json, show_text};

use super::{file, small};

fn tree(depth: usize, top: usize) -> Branch {
    let (config, graph, circuit) = small();
    let file = file(&config, &graph, &circuit);
    circuit_tree(&file, ShowOptions { depth, top }).unwrap()
}

fn text(tree: &Branch, columns: usize, coloured: bool) -> String {
    let (config, graph, circuit) = small();
    let file = file(&config, &graph, &circuit);
    show_text(&file, tree, ShowLook { columns, coloured })
}

#[test]
fn a_small_circuit_as_a_tree() {
    insta::assert_snapshot!(text(&tree(9, 9), 80, false));
}

#[test]
fn depth_and_count_say_what_is_left_out() {
    let shallow = tree(1, 9);
    assert_eq!(shallow.inputs[0].node, "m1");
    assert_eq!(shallow.inputs[0].unlisted, 1);
    assert!(text(&shallow, 80, false).contains("+1 below"));
    // The head's inputs are its own queries and its group's keys.
    let head = &tree(9, 9).inputs[0].inputs[0];
    let ports: Vec<Option<char>> = head.inputs.iter().map(|input| input.port).collect();
    assert_eq!(
        (&head.node[..], &ports[..]),
        ("a1.h1", &[Some('k'), Some('q')][..])
    );
    assert_eq!(tree(9, 1).inputs[0].inputs[0].unlisted, 1);
}

#[test]
fn colours_are_for_terminals_and_no_line_is_too_long() {
    let tree = tree(9, 9);
    assert!(!text(&tree, usize::MAX, false).contains('\u{1b}'));
    assert!(text(&tree, 80, true).contains("\u{1b}[31m"));
    for columns in [20, 40, 60] {
        for line in text(&tree, columns, false).lines() {
            assert!(line.chars().count() <= columns, "{line}");
        }
        if columns > 20 {
            // Colours take no columns.
            let coloured = text(&tree, columns, true);
            let plain = coloured.split('\u{1b}').enumerate();
            let plain = plain.map(|(index, part)| match index {
                0 => part,
                _ => part.split_once('m').unwrap().1,
            });
            for line in plain.collect::<String>().lines() {
                assert!(line.trim_end().chars().count() <= columns, "{line}");
            }
        }
    }
}

#[test]
fn json_has_the_same_tree() {
    let json: serde_json::Value = serde_json::from_str(&show_json(&tree(9, 9)).unwrap()).unwrap();
    assert_eq!(json["node"], "logits");
    assert_eq!(json["inputs"][0]["edge"], "m1->logits");
    assert_eq!(json["inputs"][0]["inputs"][0]["score"], 1.0);
}

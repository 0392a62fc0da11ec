//! Rows from files: what is read, and what is said about wrong ones.

use std::path::Path;

use secateur::error::Error;
use secateur::task::TaskSource;
use serde_json::json;

use super::{Numbers, decode, load, tokenizer};
use secateur::task::Dataset;

/// What is said about a file with these rows; the file's name is cut off.
fn complaint(rows: &[u8], text: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let source = if text {
        TaskSource::File
    } else {
        TaskSource::Tokens
    }("rows.jsonl".into());
    let error = load(&source, Some(&tokenizer), folder.path()).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error:?}");
    let message = error.to_string();
    message
        .split_once("rows.jsonl: ")
        .expect("the file is named")
        .1
        .to_owned()
}

#[test]
fn wrong_rows_of_ids_are_named() {
    let good = r#"{"clean":[5,6,7],"corrupt":[5,8,7],"answer":[9],"wrong":[10],"at":[1,2]}"#;
    let rows = [
        r#"{"clean":[5,6],"corrupt":[5,8,7],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,6],"answer":[9]}"#,
        r#"{"clean":[],"corrupt":[],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,1000],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[4000]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[-1]}"#,
        r#"{"clean":[5,6.5],"corrupt":[5,7],"answer":[1]}"#,
        r#"{"clean":[5,4294967296],"corrupt":[5,7],"answer":[1]}"#,
        r#"{"clean":"text","corrupt":[5,7],"answer":[1]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":9}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[[1,2],3]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[[]]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[[1,[2]]]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[[1,4000]]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[[1,2]],"wrong":[3]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[1],"wrong":[[3,4]]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[[1,2]],"at":[1]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7,8],"answer":[[1,2]]}"#,
        r#"{"clean":[],"corrupt":[],"answer":[[1,2]]}"#,
        r#"{"clean":[5,6],"corrupt":[5,6],"answer":[[1,2]]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"wrong":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[2]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[-1]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[1,0]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"label":3}"#,
        r#"{"clean":[5,6],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7]"#,
        r"[5,6]",
        "",
    ];
    let messages: Vec<String> = rows
        .iter()
        .map(|row| complaint(format!("{good}\n{row}\n{good}\n").as_bytes(), false))
        .collect();
    for message in &messages {
        assert!(message.starts_with("row 2: "), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let others = [
        complaint(b"", false),
        complaint(b" \n\n", false),
        complaint(b"{\"clean\":\"\xff\"}", false),
    ];
    insta::assert_snapshot!([messages.as_slice(), &others].concat().join("\n"), @r#"
    row 2: clean has 2 tokens and corrupt 3; both must have the same number, so change a word
    row 2: clean and corrupt are the same tokens; change the corrupt prompt
    row 2: `clean` is empty; write a prompt or remove the row
    row 2: `corrupt` has token 1000, but the model's vocabulary ends at 999; use ids of this model
    row 2: `answer` has token 4000, but the model's vocabulary ends at 999; use ids of this model
    row 2: `answer` has -1, which is not a token id; ids are whole numbers from 0
    row 2: `clean` has 6.5, which is not a token id; ids are whole numbers from 0
    row 2: `clean` has 4294967296, which is not a token id; ids are whole numbers from 0
    row 2: `clean` is text and not a list of token ids; use a `File` task for text
    row 2: `answer` is empty; give at least one right answer
    row 2: `answer` is not a list; write [9]
    row 2: `answer` has 2 alternatives, one of several tokens; a row can have one such answer and no other, so make it a row of its own
    row 2: `answer` has an empty nested list; give the answer's tokens
    row 2: `answer` has [2], which is not a token id; ids are whole numbers from 0
    row 2: `answer` has token 4000, but the model's vocabulary ends at 999; use ids of this model
    row 2: `wrong` goes with answers of one token: one of several is scored alone; leave `wrong` out
    row 2: `wrong` has the nested list [3,4]: an answer of several tokens is scored alone; leave `wrong` out
    row 2: `at` goes with answers of one token: the tokens of a longer one set the positions; leave `at` out
    row 2: clean has 2 tokens and corrupt 3; both must have the same number, so change a word
    row 2: `clean` is empty; write a prompt or remove the row
    row 2: clean and corrupt are the same tokens; change the corrupt prompt
    row 2: token 9 is twice among the answers and wrong answers; remove one
    row 2: `at` has position 2, but the prompt's last is 1; positions count from 0
    row 2: `at` has -1, which is not a position; positions count from 0
    row 2: `at` is empty; name a position, or leave `at` out for the last one
    row 2: `at` is not in ascending order; sort it and keep each position once
    row 2: unknown key `label`; the keys are clean, corrupt, answer, wrong, at, spans
    row 2: `corrupt` is missing; add it
    row 2: not JSON (EOF while parsing an object at line 1 column 30); write one object per line, such as {"clean": ..}
    row 2: not a JSON object; write {"clean": .., "corrupt": .., "answer": [..]}
    row 2: the line is empty; remove it
    the file has no rows; write one JSON object per line
    the file has no rows; write one JSON object per line
    row 1: not UTF-8 text; save the file as UTF-8
    "#);
}

#[test]
fn prompts_longer_than_the_context_are_named() {
    let long: Vec<usize> = (0..33).collect();
    let other: Vec<usize> = (1..34).collect();
    let long = complaint(
        json!({"clean": long, "corrupt": other, "answer": [1]})
            .to_string()
            .as_bytes(),
        false,
    );
    let answer: Vec<usize> = (0..32).collect();
    let with_answer = complaint(
        json!({"clean": [1, 2], "corrupt": [1, 3], "answer": [answer]})
            .to_string()
            .as_bytes(),
        false,
    );
    insta::assert_snapshot!([long, with_answer].join("\n"), @r#"
    row 1: the prompt has 33 tokens and the model reads at most 32; shorten it
    row 1: the prompt with its answer has 33 tokens and the model reads at most 32; shorten it
    "#);
}

#[test]
fn wrong_rows_of_text_are_named() {
    let good =
        r#"{"clean":"The dog near","corrupt":"The dogs near","answer":[" is"],"wrong":[" are"]}"#;
    let rows = [
        r#"{"clean":"The dog near","corrupt":"The dogs","answer":[" is"]}"#,
        r#"{"clean":"The dog","corrupt":"The dog","answer":[" is"]}"#,
        r#"{"clean":"","corrupt":"The","answer":[" is"]}"#,
        r#"{"clean":[1,2],"corrupt":"The dog","answer":[" is"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[" is near"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":["is near"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[""]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[[" is",7]]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[[" is zebra"]]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[["",""]]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[" is"],"wrong":[" is near"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[" zebra"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[3]}"#,
        r#"{"clean":"The dog","corrupt":"The zebra","answer":[" is"]}"#,
    ];
    let messages: Vec<String> = rows
        .iter()
        .map(|row| complaint(format!("{good}\r\n{row}\r\n").as_bytes(), true))
        .collect();
    for message in &messages {
        assert!(message.starts_with("row 2: "), "{message}");
    }
    insta::assert_snapshot!(messages.join("\n"), @r#"
    row 2: clean has 3 tokens and corrupt 2; both must have the same number, so change a word
    row 2: clean and corrupt are the same tokens; change the corrupt prompt
    row 2: `clean` is empty; write a prompt or remove the row
    row 2: `clean` is not text; put it in quotes, or use a `Tokens` task for token ids
    row 2: `answer` has " is near", which is not a single token but 2; give an alternative of one token, or [[" is near"]] to have its tokens scored in turn
    row 2: `answer` has "is near", which is not a single token but 2; give an alternative of one token; words usually need their space in front, or [["is near"]] to have its tokens scored in turn
    row 2: `answer` has "", which this tokenizer does not know; give an alternative of one token; words usually need their space in front
    row 2: `answer` has 7, which is not text; put it in quotes
    row 2: `answer` has " is zebra", which this tokenizer does not know
    row 2: `answer` has "", which this tokenizer does not know
    row 2: `wrong` has " is near", which is not a single token but 2; give an alternative of one token
    row 2: `answer` has " zebra", which this tokenizer does not know; give an alternative of one token
    row 2: `answer` has 3, which is not text; put it in quotes
    row 2: `corrupt` has "zebra", which this tokenizer does not know; the model would not see it
    "#);
}

#[test]
fn ten_wrong_rows_are_shown_and_the_rest_counted() {
    let message = complaint("{}\n".repeat(25).as_bytes(), false);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 11);
    assert!(lines[9].starts_with("row 10: "));
    assert_eq!(lines[10], "and 15 more");
}

#[test]
fn good_rows_are_read_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let row = |text: &str| format!("\u{feff}{text}\n");
    let ids = row(r#"{"clean":[5,6,7],"corrupt":[5,8,7],"answer":[9,11],"wrong":[10],"at":[0,2]}"#);
    fs_err::write(folder.path().join("ids.jsonl"), ids).unwrap();
    let dataset = load(&TaskSource::Tokens("ids.jsonl".into()), None, folder.path()).unwrap();
    assert_eq!(dataset.source, "Tokens(ids.jsonl)");
    let [example] = dataset.examples.as_slice() else {
        panic!("one row")
    };
    assert_eq!(
        (&example.answer, &example.wrong, &example.at),
        (&vec![9, 11], &vec![10], &vec![0, 2])
    );
    assert_eq!(example.text, None);

    let text =
        row(r#"{"clean":"The dog","corrupt":"The dogs","answer":[" is"," was"],"wrong":[" are"]}"#);
    fs_err::write(folder.path().join("text.jsonl"), text).unwrap();
    let dataset = load(
        &TaskSource::File("text.jsonl".into()),
        Some(&tokenizer),
        folder.path(),
    )
    .unwrap();
    let [example] = dataset.examples.as_slice() else {
        panic!("one row")
    };
    assert_eq!(decode(&tokenizer, &example.answer), [" is", " was"]);
    assert_eq!(decode(&tokenizer, &example.clean), ["The", " dog"]);
    assert_eq!(example.at, [1]);
}

#[test]
fn a_missing_file_is_named() {
    let error = load(
        &TaskSource::Tokens("nowhere.jsonl".into()),
        None,
        Path::new("data"),
    )
    .unwrap_err();
    assert!(error.to_string().contains("data/nowhere.jsonl"), "{error}");
    assert_eq!(error.exit_code(), 3);
}

/// The answer's tokens but the last go after both prompts, and each is read where it is predicted.
#[test]
fn answers_of_several_tokens_are_teacher_forced() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let rows = "{\"clean\":[5,6],\"corrupt\":[5,7],\"answer\":[[9,2,9]]}\n\
                {\"clean\":[5,6],\"corrupt\":[5,7],\"answer\":[[9]],\"wrong\":[]}\n\
                {\"clean\":[5,6],\"corrupt\":[5,7],\"answer\":[9]}";
    fs_err::write(folder.path().join("ids.jsonl"), rows).unwrap();
    let ids = load(&TaskSource::Tokens("ids.jsonl".into()), None, folder.path()).unwrap();
    let [long, single, plain] = ids.examples.as_slice() else {
        panic!("three rows")
    };
    assert_eq!(
        (&long.clean, &long.corrupt),
        (&vec![5, 6, 9, 2], &vec![5, 7, 9, 2])
    );
    assert_eq!((&long.answer, &long.at), (&vec![9, 2, 9], &vec![1, 2, 3]));
    assert!(long.teacher_forced && single.teacher_forced && !plain.teacher_forced);
    assert_eq!(long.prompt(), [5, 6]);
    assert_eq!(single.prompt(), plain.prompt());
    assert_eq!((&single.clean, &single.at), (&plain.clean, &plain.at));
    let places: Vec<&[u32]> = (0..3).map(|place| long.answers_at(place)).collect();
    assert_eq!(places, [[9], [2], [9]]);
    // The three share their prompt, so no split separates them.
    let (discovery, held_out) = ids.split(0.5);
    assert!(discovery.is_empty() || held_out.is_empty());
    let hash = |index: usize| {
        let examples = vec![ids.examples[index].clone()];
        Dataset {
            examples,
            ..ids.clone()
        }
        .hash()
    };
    assert_ne!(hash(1), hash(2));

    let rows = "{\"clean\":\"The dog\",\"corrupt\":\"The dogs\",\"answer\":[[\" is\",\" near\"]]}\n\
                {\"clean\":\"The dog\",\"corrupt\":\"The dogs\",\"answer\":[[\" is near\"]]}";
    fs_err::write(folder.path().join("text.jsonl"), rows).unwrap();
    let source = TaskSource::File("text.jsonl".into());
    let text = load(&source, Some(&tokenizer), folder.path()).unwrap();
    assert_eq!(text.examples[0], text.examples[1]);
    let example = &text.examples[0];
    assert_eq!(decode(&tokenizer, &example.clean), ["The", " dog", " is"]);
    assert_eq!(
        decode(&tokenizer, &example.corrupt),
        ["The", " dogs", " is"]
    );
    assert_eq!(decode(&tokenizer, &example.answer), [" is", " near"]);
    assert_eq!(example.at, [1, 2]);
}

#[test]
fn spans_of_rows_make_up_the_prompt() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        r#"{"clean":"The chair beside the village","corrupt":"The boys beside the village","answer":[" is"],"spans":[["start","The"],["subject"," chair"],["END"," beside the village"]]}"#,
        r#"{"clean":"The chair beside the village","corrupt":"The boys beside the village","answer":[[" is was"]],"spans":[["subject","The chair"],["END"," beside the village"]]}"#,
    ];
    fs_err::write(folder.path().join("rows.jsonl"), rows.join("\n")).unwrap();
    let dataset = load(
        &TaskSource::File("rows.jsonl".into()),
        Some(&tokenizer),
        folder.path(),
    )
    .unwrap();
    let spans = |index: usize| -> Vec<(String, usize)> {
        let spans = dataset.examples[index].spans.iter();
        spans.map(|span| (span.name.clone(), span.tokens)).collect()
    };
    let named = |name: &str, tokens| (name.to_owned(), tokens);
    assert_eq!(
        spans(0),
        [named("start", 1), named("subject", 1), named("END", 3)]
    );
    assert_eq!(
        spans(1),
        [named("subject", 2), named("END", 3), named("answer", 1)]
    );
    assert_eq!(
        dataset.spans().unwrap(),
        ["start", "subject", "END", "answer"]
    );

    let ids = r#"{"clean":[5,6,7],"corrupt":[5,8,7],"answer":[9],"spans":[["a",1],["b",2]]}"#;
    fs_err::write(folder.path().join("ids.jsonl"), ids).unwrap();
    let of_ids = load(&TaskSource::Tokens("ids.jsonl".into()), None, folder.path()).unwrap();
    assert_eq!(of_ids.spans().unwrap(), ["a", "b"]);

    // The spans count where positions are told apart, and only there.
    let mut other = of_ids.clone();
    other.examples[0].spans[0].name = "c".into();
    assert_eq!(other.hash(), of_ids.hash());
    assert_ne!(other.hash_with_spans(), of_ids.hash_with_spans());
    other.examples[0].spans.clear();
    let error = other.spans().unwrap_err().to_string();
    insta::assert_snapshot!(error, @"Tokens(ids.jsonl), row 1: it has no spans, and positions: Spans tells positions apart by them; add `spans` to the rows (generated tasks have them where their parts are whole tokens)");
}

#[test]
fn wrong_spans_are_named() {
    let ids = |spans: &str| {
        let row = format!(r#"{{"clean":[5,6],"corrupt":[5,7],"answer":[9],"spans":{spans}}}"#);
        complaint(row.as_bytes(), false)
    };
    let text = |spans: &str| {
        let row = format!(
            r#"{{"clean":"The chair beside the village","corrupt":"The boys beside the village","answer":[" is"],"spans":{spans}}}"#
        );
        complaint(row.as_bytes(), true)
    };
    let messages = [
        ids("3"),
        ids("[3]"),
        ids(r#"[["a",1]]"#),
        ids(r#"[["a",1],["b",18446744073709551615]]"#),
        ids(r#"[["a","x"]]"#),
        text(r#"[["a",1]]"#),
        text(r#"[["a","The"],["b"," chair"]]"#),
        text(r#"[["a","The cha"],["b","ir beside the village"]]"#),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    row 1: `spans` is 3; it is a list of pairs of a name and a part, in the order of the prompt
    row 1: `spans` is [3]; it is a list of pairs of a name and a part, in the order of the prompt
    row 1: the tokens of `spans` add up to 1 and `clean` has 2; give each token a span
    row 1: the tokens of `spans` add up to 18446744073709551615 and `clean` has 2; give each token a span
    row 1: `spans` of token ids have numbers of tokens: [["subject", 1], ["verb", 2]]
    row 1: `spans` has 1, which is not text; a span of a text is ["name", "its part of the text"]
    row 1: the texts of `spans` make up "The chair" and `clean` is "The chair beside the village"; they must be the same, spaces included
    row 1: `spans`: the piece "The cha" ends within a token of this tokenizer; spaces usually belong to the word after them
    "#);
}

//! Files of prompts as other tools write them.

use secateur::task::{Dataset, TaskSource};

use super::{Numbers, decode, load, tokenizer};

/// What a file of this name and contents is read as; or what is said about it, without the file's name.
fn read(name: &str, contents: &str, text: bool) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join(name), contents).unwrap();
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let source = if text {
        TaskSource::File(name.into())
    } else {
        TaskSource::Tokens(name.into())
    };
    load(&source, Some(&tokenizer), folder.path()).map_err(|error| {
        let message = error.to_string();
        let cut = message.split_once(&format!("{name}: "));
        cut.expect("the file is named").1.to_owned()
    })
}

/// Prompts, answers and wrong answers as text.
fn parts(dataset: &Dataset) -> Vec<[String; 4]> {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let words = |ids: &[u32]| decode(&tokenizer, ids).join("|");
    dataset
        .examples
        .iter()
        .map(|example| {
            let all = [
                &example.clean,
                &example.corrupt,
                &example.answer,
                &example.wrong,
            ];
            all.map(|ids| words(ids))
        })
        .collect()
}

/// The id of a word, for columns of ids.
fn id(word: &str) -> u32 {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    tokenizer.single_token(word).unwrap()
}

#[test]
fn prompt_files_of_auto_circuit() {
    let text = r#"{"seq_labels": null, "word_idxs": {}, "prompts": [
        {"clean": "The dog", "corrupt": "The dogs", "answers": [" is", " was"], "wrong_answers": [" are"]},
        {"clean": "The dogs", "corrupt": "The dog", "answers": [" are"], "wrong_answers": []}
    ]}"#;
    let dataset = read("prompts.json", text, true).unwrap();
    assert_eq!(
        parts(&dataset),
        [
            ["The| dog", "The| dogs", " is| was", " are"],
            ["The| dogs", "The| dog", " are", ""]
        ]
    );
    let ids = r#"{"prompts": [{"clean": [5, 6], "corrupt": [5, 7], "answers": [8], "wrong_answers": [9]}]}"#;
    let dataset = read("prompts.JSON", ids, false).unwrap();
    assert_eq!(dataset.examples[0].clean, [5, 6]);
    assert_eq!(dataset.examples[0].answer, [8]);
    assert_eq!(dataset.examples[0].wrong, [9]);
}

#[test]
fn tables_of_eap_ig() {
    let (is, are) = (id(" is"), id(" are"));
    let table = format!(
        ",clean,corrupted,corrupted_hard,correct_idx,incorrect_idx\r\n\
         470,\"The dog\",The dogs,\"a, \"\"b\"\"\nc\",{is},{are}\r\n"
    );
    let wanted = [["The| dog", "The| dogs", " is", " are"]];
    assert_eq!(parts(&read("ioi.csv", &table, true).unwrap()), wanted);
    let columns = [
        ("country_idx", "corrupted_country_idx"),
        ("clean_answer_idx", "corrupted_answer_idx"),
    ];
    for (right, wrong) in columns {
        let table = format!("clean,corrupted,{right},{wrong}\nThe dog,The dogs,{is},{are}\n");
        assert_eq!(
            parts(&read("x.csv", &table, true).unwrap()),
            wanted,
            "{right}"
        );
    }
    let lists = format!(
        "clean,answers_idx,corrupted,corrupted_answers_idx\nThe dog,\"[{is}, {}]\",The dogs,[{are}]\n",
        id(" was")
    );
    let dataset = read("hypernymy.csv", &lists, true).unwrap();
    assert_eq!(parts(&dataset)[0][2..], [" is| was", " are"]);
    let text =
        "clean,corrupt,answer,wrong\nThe dog,The dogs,\"[\"\" is\"\", \"\" was\"\"]\", are\n";
    let dataset = read("text.csv", text, true).unwrap();
    assert_eq!(parts(&dataset)[0][2..], [" is| was", " are"]);
    let ids = "clean,corrupted,correct_idx\n\"[5, 6]\",\"[5, 7]\",8\n";
    let message = read("ids.csv", ids, true).unwrap_err();
    assert!(
        message.starts_with("row 1: `clean` is not text"),
        "{message}"
    );
}

#[test]
fn tables_of_token_ids() {
    let ids = "clean,corrupted,correct_idx,incorrect_idx\n\"[5, 6]\",\"[5, 7]\",8,9\n";
    let dataset = read("ids.csv", ids, false).unwrap();
    let example = &dataset.examples[0];
    assert_eq!(
        (&example.clean, &example.corrupt),
        (&vec![5, 6], &vec![5, 7])
    );
    assert_eq!((&example.answer, &example.wrong), (&vec![8], &vec![9]));
}

/// EAP-IG scores the probability of all later years against all others.
#[test]
fn years_of_greater_than() {
    let table = "clean,corrupted,label\nThe dog 13,The dogs 13,52\nThe dog 13,The dogs 13,02\n";
    let dataset = read("greater_than_data.csv", table, true).unwrap();
    for (example, year) in dataset.examples.iter().zip([52, 2]) {
        assert_eq!(example.answer.len(), 99 - year);
        assert_eq!(example.wrong.len(), year + 1);
    }
    let last = &parts(&dataset)[1];
    assert!(
        last[2].starts_with("03|04|") && last[3] == "00|01|02",
        "{last:?}"
    );
}

#[test]
fn rows_of_mib() {
    let rows = [
        r#"{"prompt": "The dog", "metadata": {"indirect_object": "is", "subject": "are"}, "choices": ["is", "are"], "answerKey": 0, "abc_counterfactual": {"prompt": "no"}, "s2_io_flip_counterfactual": {"prompt": "The dogs"}}"#,
        r#"{"prompt": "The dog", "choices": {"label": [" is", " are"], "text": ["a", "b"]}, "answerKey": 0, "symbol_counterfactual": {"prompt": "The dogs", "choices": {"label": [" was", " were"]}, "answerKey": 1}}"#,
        r#"{"prompt": "The dog", "label": "17", "random_counterfactual": {"prompt": "The dogs", "label": 18}}"#,
    ];
    let dataset = read("mib.jsonl", &rows.join("\n"), true).unwrap();
    assert_eq!(
        parts(&dataset),
        [
            ["The| dog", "The| dogs", " is", " are"],
            ["The| dog", "The| dogs", " is", " were"],
            ["The| dog", "The| dogs", "17", "18"],
        ]
    );
}

#[test]
fn mistakes_name_the_row() {
    let prompts = |row: &str| {
        let good = r#"{"clean": "The dog", "corrupt": "The dogs", "answers": [" is"], "wrong_answers": []}"#;
        read("x.json", &format!("{{\"prompts\": [{good}, {row}]}}"), true).unwrap_err()
    };
    let table =
        |header: &str, row: &str| read("x.csv", &format!("{header}\n{row}\n"), true).unwrap_err();
    let columns = "clean,corrupted,correct_idx";
    let mib = |row: &str| read("x.jsonl", row, true).unwrap_err();
    let messages = [
        prompts(r#"{"clean": "The dog", "corrupt": "The dogs", "answers": [" is"]}"#),
        prompts(
            r#"{"clean": "The dog", "corrupt": "The dogs", "answers": " is", "wrong_answers": []}"#,
        ),
        prompts(
            r#"{"clean": "The dog", "corrupt": "The", "answers": [" is"], "wrong_answers": []}"#,
        ),
        prompts("7"),
        read("x.json", "{\"clean\": 1}", true).unwrap_err(),
        read("x.json", "[", true).unwrap_err(),
        read("x.json", "{\"prompts\": []}", true).unwrap_err(),
        table(columns, "The dog,The dogs"),
        table(columns, "The dog,The dogs,is"),
        table(columns, "The dog,The dogs,-1"),
        table(columns, "The dog,\"The dogs,1"),
        table("clean,corrupted,plural", "The dog,The dogs,1"),
        table("prompt,corrupted,correct_idx", "The dog,The dogs,1"),
        table("clean,corrupted,label", "The dog,The dogs,99"),
        table(columns, ""),
        read("x.csv", "", true).unwrap_err(),
        read("x.csv", columns, true).unwrap_err(),
        mib(r#"{"prompt": "The dog", "label": "17"}"#),
        mib(
            r#"{"prompt": "The dog", "label": "17", "a_counterfactual": {}, "b_counterfactual": {}}"#,
        ),
        mib(r#"{"prompt": "The dog", "label": "17", "a_counterfactual": {"label": "18"}}"#),
        mib(r#"{"prompt": "The dog", "label": "17", "a_counterfactual": {"prompt": "The dogs"}}"#),
        mib(
            r#"{"prompt": "The dog", "choices": ["a"], "answerKey": 1, "a_counterfactual": {"prompt": "The dogs"}}"#,
        ),
        mib(r#"{"prompt": "The dog", "answerKey": 1, "a_counterfactual": {"prompt": "The dogs"}}"#),
        mib(
            r#"{"prompt": 7, "label": "17", "a_counterfactual": {"prompt": "The dogs", "label": "18"}}"#,
        ),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

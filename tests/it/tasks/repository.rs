//! The built-in models and the specs of the repository fit the generators.

use std::path::Path;

use secateur::model::{PrependBos, Tokenizer};

use super::{Numbers, all, decode, generate, tokenizer};

#[test]
fn the_built_in_tokenizers_know_every_word_of_the_generators() {
    for name in ["toy-gpt2", "toy-llama"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("circuits/models")
            .join(name);
        let json = fs_err::read_to_string(path.join("tokenizer.json")).unwrap();
        let tokenizer = Tokenizer::new(json.parse().unwrap(), None, false).unwrap();
        let text = "The war lasted from the year 1732 to the year 17";
        let tokens = tokenizer.encode(text, PrependBos::Auto).unwrap();
        assert_eq!(decode(&tokenizer, &tokens[5..8]), [" year", " 17", "32"]);
        assert_eq!(tokenizer.decode(&tokens), text);
        for source in all(256, 0) {
            for example in generate(&source, Some(&tokenizer)).examples {
                assert!(!example.clean.contains(&0) && !example.corrupt.contains(&0));
                let text = example.text.unwrap().clean;
                assert_eq!(tokenizer.decode(&example.clean), text);
            }
        }
    }
}

#[test]
fn the_specs_of_the_repository_name_tasks_that_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("circuits/tasks");
    let extensions = ron::extensions::Extensions::IMPLICIT_SOME
        | ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES;
    let options = ron::Options::default().with_default_extension(extensions);
    let tokenizer = tokenizer(Numbers::Digits, |_| true);
    let mut count = 0;
    for models in ["builtin", "smollm2-135m"] {
        for entry in fs_err::read_dir(folder.join(models)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs_err::read_to_string(&path).unwrap();
            let spec: secateur::spec::RunSpec = options
                .from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(
                spec.name.replace('-', "_"),
                path.file_stem().unwrap().to_str().unwrap()
            );
            assert!(!generate(&spec.task, Some(&tokenizer)).examples.is_empty());
            count += 1;
        }
    }
    assert_eq!(count, 8);
}

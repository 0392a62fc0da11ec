//! Models whose files change while they are in use: an error, never a signal and never a result.

use super::files::*;

fn model() -> Folder {
    Folder::new(&llama_config(), &llama_tensors())
}

#[test]
fn a_file_that_shrinks_under_a_loaded_model_is_an_error() {
    let folder = model();
    let loaded = folder.load().unwrap();
    loaded.check_unchanged().unwrap();
    let path = folder.path("model.safetensors");
    let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(1000).unwrap();
    // Weights that lie in the file are read as zeros, on whatever thread.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(!flat(&loaded.weights).is_empty()));
        }
    });
    let error = loaded.check_unchanged().unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(
        error
            .to_string()
            .contains("model.safetensors: changed while it was read"),
        "{error}"
    );
}

#[test]
fn only_other_content_is_a_change() {
    let folder = model();
    let loaded = folder.load().unwrap();
    let path = folder.path("model.safetensors");
    let bytes = fs_err::read(&path).unwrap();
    // Another file of the name, and the same content written again.
    folder.write("new", &[0; 10]);
    fs_err::rename(folder.path("new"), &path).unwrap();
    loaded.check_unchanged().unwrap();
    folder.write("model.safetensors", &bytes);
    let loaded = folder.load().unwrap();
    folder.write("config.json", llama_config().to_string().as_bytes());
    loaded.check_unchanged().unwrap();
    // The same length, one number changed.
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(file.file(), &other, 0).unwrap();
    let error = loaded.check_unchanged().unwrap_err().to_string();
    assert!(error.contains("changed while it was read"), "{error}");
    assert_ne!(folder.load().unwrap().hash, loaded.hash);
}

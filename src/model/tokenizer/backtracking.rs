//! How long the regular expressions of tokenizer files may try.
//!
//! They are run by Oniguruma, which tries all ways to match: a pattern such as `(a+)+$` takes time that doubles with each
//! letter. The library counts its tries and gives up at a bound, by default after ten million of them for each place of
//! the text; the crate makes a panic of that, which is caught where it is called. Real patterns try about as often as a
//! run of white space is long.

use std::sync::Once;

/// Tries at one place of a text: milliseconds.
const IN_MATCH: u64 = 1_000_000;
/// Tries from one match to the next, over all places between them.
const IN_SEARCH: u64 = 4_000_000;

/// Sets the bounds for this process.
pub(super) fn bound() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[expect(unsafe_code, reason = "the C library has no safe form of its settings")]
        // SAFETY: both functions write one word that the library reads when it begins to match; `Once` has them called
        // once, before any tokenizer of this module runs.
        unsafe {
            onig_sys::onig_set_retry_limit_in_match(IN_MATCH);
            onig_sys::onig_set_retry_limit_in_search(IN_SEARCH);
        }
    });
}

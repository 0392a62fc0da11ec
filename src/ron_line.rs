//! Values as RON, as specs write them.

use ron::Options;
use ron::extensions::Extensions;

/// A value in one line of RON, as a spec would write it.
///
/// # Panics
/// Never for the types of a spec: all of them have a RON form.
pub fn ron_line(value: &impl serde::Serialize) -> String {
    let line = options().to_string(value);
    line.expect("the types of a spec have a RON form")
}

/// What specs of RON leave out.
pub(crate) fn options() -> Options {
    Options::default()
        .with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES)
}

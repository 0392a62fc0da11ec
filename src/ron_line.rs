//! Values as RON, as specs write them.

use ron::Options;
use ron::error::SpannedError;
use ron::extensions::Extensions;
use ron::ser::PrettyConfig;

/// A value in one line of RON, as a spec would write it.
///
/// # Panics
/// Never for the types of a spec: all of them have a RON form.
pub fn ron_line(value: &impl serde::Serialize) -> String {
    let line = options().to_string(value);
    line.expect("the types of a spec have a RON form")
}

/// The same with spaces, for people to read and to paste into a file.
///
/// # Panics
/// As [`ron_line`].
pub fn ron_text(value: &impl serde::Serialize) -> String {
    let style = PrettyConfig::new().depth_limit(0).separator(" ");
    let text = options().to_string_pretty(value, style);
    text.expect("the types of a spec have a RON form")
}

/// What specs of RON leave out.
pub(crate) fn options() -> Options {
    Options::default()
        .with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES)
}

/// Names that keys and values had in earlier versions, with those that they have now.
const RENAMED: &[(&str, &str)] = &[
    ("back", "positions_before"),
    ("dosed", "dose_curves"),
    ("placed", "decode_layer"),
    ("says", "contains"),
    ("together", "all_at_once"),
    ("wanted", "expected"),
    ("Read", "Scored"),
];

/// What is wrong with a text in RON.
pub(crate) fn problem(error: &SpannedError) -> String {
    match &error.code {
        ron::Error::MissingStructField { field, outer } => {
            let place = outer
                .as_ref()
                .map_or_else(String::new, |outer| format!(" in `{outer}`"));
            format!("missing key `{field}`{place}")
        }
        code @ (ron::Error::NoSuchStructField {
            expected, found, ..
        }
        | ron::Error::NoSuchEnumVariant {
            expected, found, ..
        }) => {
            let mut renamed = RENAMED.iter();
            let new = renamed.find(|(old, new)| old == found && expected.contains(new));
            match new {
                Some((_, new)) => format!("{code}\nhint: `{found}` is now `{new}`"),
                None => code.to_string(),
            }
        }
        code => code.to_string(),
    }
}

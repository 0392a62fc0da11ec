//! The names of the types of elements in GGUF files.

/// The types by their numbers; empty where a number is not used any more.
const NAMES: [&str; 41] = [
    "F32",
    "F16",
    "Q4_0",
    "Q4_1",
    "Q4_2",
    "Q4_3",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q8_1",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "Q8_K",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ3_XXS",
    "IQ1_S",
    "IQ4_NL",
    "IQ3_S",
    "IQ2_S",
    "IQ4_XS",
    "I8",
    "I16",
    "I32",
    "I64",
    "F64",
    "IQ1_M",
    "BF16",
    "Q4_0_4_4",
    "Q4_0_4_8",
    "Q4_0_8_8",
    "TQ1_0",
    "TQ2_0",
    "IQ4_NL_4_4",
    "IQ4_NL_4_8",
    "IQ4_NL_8_8",
    "MXFP4",
    "NVFP4",
];

/// The name of a type, or its number where it has none.
pub(super) fn label(kind: u32) -> String {
    let name = usize::try_from(kind).ok().and_then(|kind| NAMES.get(kind));
    name.map_or_else(|| format!("number {kind}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn types_are_at_their_numbers() {
        for (kind, name) in [
            (0, "F32"),
            (8, "Q8_0"),
            (12, "Q4_K"),
            (15, "Q8_K"),
            (20, "IQ4_NL"),
            (24, "I8"),
            (28, "F64"),
            (30, "BF16"),
            (35, "TQ2_0"),
            (39, "MXFP4"),
            (40, "NVFP4"),
            (41, "number 41"),
            (u32::MAX, "number 4294967295"),
        ] {
            assert_eq!(label(kind), name);
        }
    }
}

//! Text for LaTeX.

/// Text with what LaTeX reads as its own escaped.
pub(super) fn latex_text(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// The same for LaTeX with its plain fonts; letters that these lack are question marks.
pub(super) fn plain_latex(words: &str) -> String {
    let mut out = String::new();
    for character in words.chars() {
        match character {
            '\u{a0}' => out.push('~'),
            '·' => out.push_str("$\\cdot$"),
            '…' => out.push_str("\\dots{}"),
            '\u{2212}' => out.push_str("$-$"),
            '\u{2013}' => out.push_str("--"),
            '→' => out.push_str("$\\rightarrow$"),
            '≥' => out.push_str("$\\geq$"),
            '≤' => out.push_str("$\\leq$"),
            '×' => out.push_str("$\\times$"),
            '±' => out.push_str("$\\pm$"),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '|' => out.push_str("$|$"),
            '"' => out.push_str("''"),
            'À'..='ÿ' if !"ÐðÞþ÷".contains(character) => out.push(character),
            other if other.is_ascii() => out += &latex_text(&other.to_string()),
            _ => out.push('?'),
        }
    }
    out
}

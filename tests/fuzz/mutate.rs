//! Seeded changes of files: of bytes, of what text formats are made of, and of the headers of binary formats.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers that break arithmetic.
const NUMBERS: [&str; 26] = [
    "0",
    "-0.0",
    "-1",
    "1",
    "2",
    "3",
    "64",
    "255",
    "65536",
    "1000000000000",
    "2147483647",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "0.1",
    "1e308",
    "-1e308",
    "1e-320",
    "1e999",
    "NaN",
    "inf",
    "-inf",
    "null",
    "true",
];

/// Texts that break what is made of them.
const TEXTS: [&str; 14] = [
    "",
    " ",
    "../../x",
    "/dev/null",
    "con",
    "\\u0000",
    "\\u001b[2J",
    "=1+1",
    "\u{202e}abc",
    "\u{200b}",
    "a5.h1",
    "m0->logits",
    "(a+)+$",
    "🙂é漢",
];

const LONGEST: usize = 1 << 20;

/// Where in a file changes are worth most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text of names, numbers and brackets.
    Text,
    /// Eight bytes of length and so much JSON, then data.
    Safetensors,
    /// A header of numbers and texts, then data.
    Binary,
}

/// The file of a try: one of the seeds after one to six changes.
pub(crate) fn mutated(seeds: &[Vec<u8>], kind: Kind, seed: u64, index: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index);
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    let other = &seeds[rng.random_range(0..seeds.len())];
    for _ in 0..rng.random_range(1..=6) {
        bytes = match kind {
            Kind::Text if rng.random_range(0..4) > 0 => in_text(&bytes, other, &mut rng),
            Kind::Safetensors if rng.random_range(0..4) > 0 => in_header(&bytes, &mut rng),
            Kind::Binary if rng.random_range(0..2) > 0 => in_integers(bytes, &mut rng),
            _ => in_bytes(bytes, other, &mut rng),
        };
        bytes.truncate(LONGEST);
    }
    bytes
}

fn in_bytes(mut bytes: Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    if bytes.is_empty() {
        return other.to_vec();
    }
    let at = rng.random_range(0..bytes.len());
    let end = at + rng.random_range(0..=64.min(bytes.len() - at));
    match rng.random_range(0..7) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random_range(0..=255),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copied = bytes[at..end].to_vec();
            bytes.splice(at..at, copied);
        }
        5 => bytes.insert(at, rng.random_range(0..=255)),
        _ => {
            let from = rng.random_range(0..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
    bytes
}

/// A change of a number, a name, a line or brackets.
fn in_text(bytes: &[u8], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match rng.random_range(0..8) {
        0..=2 => replaced(&text, rng, is_number, |rng| pick(&NUMBERS, rng)),
        3 => replaced(
            &text,
            rng,
            |it| it.is_ascii_alphabetic() || it == '_',
            |rng| pick(&["null", "true", "x", "Zero", "none", "inf"], rng),
        ),
        4 => quoted(&text, rng),
        5 => without_line(&text, rng),
        6 => nested(&text, rng),
        // A line of another file.
        _ => {
            let other = String::from_utf8_lossy(other).into_owned();
            let lines: Vec<&str> = other.lines().collect();
            let mut own: Vec<&str> = text.lines().collect();
            if !lines.is_empty() {
                let at = rng.random_range(0..=own.len());
                own.insert(at, lines[rng.random_range(0..lines.len())]);
            }
            own.join("\n").into_bytes()
        }
    }
}

fn is_number(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+')
}

fn pick(choices: &[&str], rng: &mut ChaCha8Rng) -> String {
    choices[rng.random_range(0..choices.len())].to_owned()
}

/// One run of such letters replaced.
fn replaced(
    text: &str,
    rng: &mut ChaCha8Rng,
    of: impl Fn(char) -> bool,
    by: impl Fn(&mut ChaCha8Rng) -> String,
) -> Vec<u8> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, letter) in text.char_indices().filter(|(_, letter)| of(*letter)) {
        match runs.last_mut() {
            Some((_, end)) if *end == at => *end = at + letter.len_utf8(),
            _ => runs.push((at, at + letter.len_utf8())),
        }
    }
    if runs.is_empty() {
        return text.as_bytes().to_vec();
    }
    let (start, end) = runs[rng.random_range(0..runs.len())];
    format!("{}{}{}", &text[..start], by(rng), &text[end..]).into_bytes()
}

/// What stands between two quotes replaced, or taken from elsewhere in the file.
fn quoted(text: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut parts: Vec<String> = text.split('"').map(str::to_owned).collect();
    if parts.len() < 3 {
        return text.as_bytes().to_vec();
    }
    let at = 1 + 2 * rng.random_range(0..(parts.len() - 1) / 2);
    parts[at] = if rng.random_range(0..3) == 0 {
        parts[1 + 2 * rng.random_range(0..(parts.len() - 1) / 2)].clone()
    } else {
        pick(&TEXTS, rng)
    };
    parts.join("\"").into_bytes()
}

fn without_line(text: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let separator = if text.lines().count() > 3 { '\n' } else { ',' };
    let mut parts: Vec<&str> = text.split(separator).collect();
    let at = rng.random_range(0..parts.len());
    if rng.random_range(0..2) == 0 {
        parts.remove(at);
    } else {
        parts.insert(at, parts[at]);
    }
    parts.join(&separator.to_string()).into_bytes()
}

/// Brackets within brackets, some as deep as overflows a stack.
fn nested(text: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let depth = [1, 2, 100, 200, 100_000][rng.random_range(0..5)];
    let open = pick(&["[", "(", "{\"a\":", "<g>", "Some(", "<svg>"], rng);
    let at = rng.random_range(0..=text.len());
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at));
    let at = at.unwrap_or(0);
    format!("{}{}{}", &text[..at], open.repeat(depth), &text[at..]).into_bytes()
}

/// A change of the JSON in front, whose length is set right but for one in four times.
fn in_header(bytes: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let Some(length) = bytes.first_chunk::<8>() else {
        return bytes.to_vec();
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let end = length.saturating_add(8).min(bytes.len());
    let header = in_text(&bytes[8..end], b"", rng);
    let stated = if rng.random_range(0..4) == 0 {
        integer(rng)
    } else {
        header.len() as u64
    };
    [&stated.to_le_bytes()[..], &header, &bytes[end..]].concat()
}

/// An integer in the first bytes replaced.
fn in_integers(mut bytes: Vec<u8>, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let header = bytes.len().min(4096);
    if header < 16 {
        return bytes;
    }
    let at = rng.random_range(0..header - 8);
    let value = integer(rng).to_le_bytes();
    let width = [1, 4, 8][rng.random_range(0..3)];
    bytes[at..at + width].copy_from_slice(&value[..width]);
    bytes
}

fn integer(rng: &mut ChaCha8Rng) -> u64 {
    let power = 1_u64 << rng.random_range(0..64);
    match rng.random_range(0..6) {
        0 => 0,
        1 => u64::MAX,
        2 => power,
        3 => power.wrapping_sub(1),
        4 => f64::to_bits([f64::NAN, f64::INFINITY, 1e308][rng.random_range(0..3)]),
        _ => rng.random_range(0..16),
    }
}

//! A small check that a text is well-formed XML, enough for what we write.

/// Refuses unbalanced tags, stray `<` or `&`, attributes without quotes, and characters XML does not allow.
pub(super) fn check(text: &str) -> Result<(), String> {
    if let Some(bad) = text
        .chars()
        .find(|&c| (c < ' ' && c != '\n') || c == '\u{fffe}' || c == '\u{ffff}')
    {
        return Err(format!("character {bad:?}"));
    }
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('<') else {
            check_text(rest)?;
            return if open.is_empty() {
                Ok(())
            } else {
                Err(format!("not closed: {open:?}"))
            };
        };
        check_text(before)?;
        let (tag, after) = split_tag(after)?;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
        } else {
            let (body, closed) = match tag.strip_suffix('/') {
                Some(body) => (body, true),
                None => (tag, false),
            };
            let name = body.split(' ').next().unwrap_or("");
            check_attributes(&body[name.len()..])?;
            if !closed {
                open.push(name);
            }
        }
        rest = after;
    }
}

fn split_tag(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    for (place, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '<' => return Err("`<` inside a tag".into()),
            '>' if !quoted => return Ok((&text[..place], &text[place + 1..])),
            _ => {}
        }
    }
    Err("a tag without end".into())
}

fn check_attributes(mut rest: &str) -> Result<(), String> {
    while !rest.trim().is_empty() {
        let (name, after) = rest
            .split_once("=\"")
            .ok_or(format!("attribute {rest:?}"))?;
        let name = name.strip_prefix(' ').unwrap_or("");
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(format!("attribute {name:?}"));
        }
        let (value, after) = after.split_once('"').ok_or("a value without end")?;
        check_text(value)?;
        rest = after;
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), String> {
    for part in text.split('&').skip(1) {
        let name = part.split_once(';').map_or("", |(name, _)| name);
        if !["amp", "lt", "gt", "quot", "#39", "#160"].contains(&name) {
            return Err(format!("`&` before {part:?}"));
        }
    }
    Ok(())
}

//! `roles.json`: what heads do, for drawings of circuits.

use std::collections::BTreeMap;

use crate::analyze::attention::{AttentionReport, Roles};
use crate::error::{Error, Result};

/// Format of the file.
const FORMAT: u32 = 1;

/// The bytes of `roles.json`: the roles of the heads that have any.
///
/// # Errors
/// Never for text; the serialiser's signature allows it.
pub fn roles_json(report: &AttentionReport, model: &str, model_hash: &str) -> Result<Vec<u8>> {
    let heads = report.heads.iter().filter(|it| !it.roles.is_empty());
    let roles: BTreeMap<String, Vec<String>> = heads
        .map(|it| {
            let roles = it.roles.iter().map(|role| role.label().to_owned());
            (it.head.clone(), roles.collect())
        })
        .collect();
    let roles = Roles {
        format: FORMAT,
        model: model.to_owned(),
        model_hash: model_hash.to_owned(),
        roles,
    };
    let mut text = serde_json::to_vec_pretty(&roles)
        .map_err(|error| Error::Bug(format!("roles.json: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

/// The roles in such a file; `name` stands for it.
///
/// # Errors
/// When it is no such file.
pub fn parse_roles(text: &str, name: &str) -> Result<Roles> {
    let hint = "hint: `secateur attention` writes roles.json";
    let roles: Roles = serde_json::from_str(text)
        .map_err(|error| Error::data(name, format!("not a file of roles: {error}\n{hint}")))?;
    if roles.format != FORMAT {
        let problem = format!("expected format {FORMAT}, got {}", roles.format);
        return Err(Error::data(name, problem));
    }
    Ok(roles)
}

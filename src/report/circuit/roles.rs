//! `roles.json`: what heads do, for drawings of circuits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Format of the file.
const FORMAT: u32 = 1;

/// Roles of heads by name, as `attention` writes them and drawings of circuits read them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Version of the format, 1.
    pub format: u32,
    /// The model that they are of.
    pub model: String,
    /// Its hash.
    pub model_hash: String,
    /// Roles by the names of heads.
    pub roles: BTreeMap<String, Vec<String>>,
}

impl Roles {
    /// The roles of some heads, by name.
    pub fn new(roles: BTreeMap<String, Vec<String>>, model: &str, model_hash: &str) -> Self {
        Self {
            format: FORMAT,
            model: model.to_owned(),
            model_hash: model_hash.to_owned(),
            roles,
        }
    }

    /// The bytes of `roles.json`.
    ///
    /// # Errors
    /// Never for text; the serialiser's signature allows it.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::Bug(format!("roles.json: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Roles of nodes, for drawings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeRoles {
    /// Roles by the names of nodes.
    pub roles: BTreeMap<String, Vec<String>>,
    /// Name and hash of the model that they are of, where the file says.
    pub model: Option<(String, String)>,
}

impl NodeRoles {
    /// The name of the model that the roles are of, where it is not the one of this hash.
    pub fn other_model(&self, hash: &str) -> Option<&str> {
        let (name, own) = self.model.as_ref()?;
        (own != hash).then_some(name)
    }
}

/// The roles in such a file, or in a plain JSON object such as `{"a5.h1": "induction"}`; `name` stands for it.
///
/// # Errors
/// When it is neither.
pub fn parse_roles(text: &str, name: &str) -> Result<NodeRoles> {
    let plain = serde_json::from_str::<BTreeMap<String, String>>(text);
    if let Ok(plain) = plain
        && !plain.is_empty()
    {
        let roles = plain.into_iter().map(|(node, role)| (node, vec![role]));
        return Ok(NodeRoles {
            roles: roles.collect(),
            model: None,
        });
    }
    let hint = "hint: `secateur attention` writes roles.json; an object such as {\"a5.h1\": \"induction\"} works as well";
    let roles: Roles = serde_json::from_str(text)
        .map_err(|error| Error::data(name, format!("not a file of roles: {error}\n{hint}")))?;
    if roles.format != FORMAT {
        let problem = format!("expected format {FORMAT}, got {}", roles.format);
        return Err(Error::data(name, problem));
    }
    Ok(NodeRoles {
        roles: roles.roles,
        model: Some((roles.model, roles.model_hash)),
    })
}

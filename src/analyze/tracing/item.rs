//! A prompt with its subject.

use std::ops::Range;

use serde::Serialize;

use crate::task::Example;

/// A prompt whose subject is to be traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceItem {
    /// The tokens up to the scored position.
    pub tokens: Vec<u32>,
    /// The right answers.
    pub answers: Vec<u32>,
    /// The positions of the subject.
    pub subject: Range<usize>,
}

/// What a position is to a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Role {
    /// The first token of a subject of several.
    SubjectFirst,
    /// The tokens of the subject between its first and its last.
    SubjectMiddle,
    /// The last token of the subject.
    SubjectLast,
    /// The token after the subject.
    Following,
    /// The tokens after that.
    Further,
    /// The last token of the prompt.
    Last,
}

impl Role {
    /// All of them, in the order of a prompt.
    pub const ALL: [Self; 6] = [
        Self::SubjectFirst,
        Self::SubjectMiddle,
        Self::SubjectLast,
        Self::Following,
        Self::Further,
        Self::Last,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SubjectFirst => "first of subject",
            Self::SubjectMiddle => "middle of subject",
            Self::SubjectLast => "last of subject",
            Self::Following => "token after it",
            Self::Further => "further tokens",
            Self::Last => "last token",
        }
    }
}

impl TraceItem {
    /// An example whose subject is where its prompts differ, from the first such position to the last before the one read; none
    /// where there is no such position.
    pub fn new(example: &Example) -> Option<Self> {
        let read = *example.at.last()?;
        let pairs = example.clean.iter().zip(&example.corrupt).take(read + 1);
        let mut differing = pairs
            .enumerate()
            .filter(|(_, (clean, corrupt))| clean != corrupt)
            .map(|(position, _)| position);
        let first = differing.next()?;
        let last = differing.next_back().unwrap_or(first);
        Some(Self {
            tokens: example.clean[..=read].to_vec(),
            answers: example.answer.clone(),
            subject: first..last + 1,
        })
    }

    /// What a position from the subject on is.
    pub fn role(&self, position: usize) -> Role {
        if position + 1 == self.tokens.len() {
            Role::Last
        } else if position + 1 == self.subject.end {
            Role::SubjectLast
        } else if position == self.subject.start {
            Role::SubjectFirst
        } else if position < self.subject.end {
            Role::SubjectMiddle
        } else if position == self.subject.end {
            Role::Following
        } else {
            Role::Further
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_where_the_prompts_differ() {
        let example = Example {
            clean: vec![1, 2, 3, 4, 5, 6, 7, 8],
            corrupt: vec![1, 9, 3, 9, 5, 6, 7, 9],
            answer: vec![0],
            wrong: Vec::new(),
            at: vec![6],
            teacher_forced: false,
            spans: Vec::new(),
            text: None,
        };
        let item = TraceItem::new(&example).expect("a subject");
        assert_eq!(item.subject, 1..4);
        assert_eq!(item.tokens, [1, 2, 3, 4, 5, 6, 7]);
        let roles: Vec<Role> = (1..7).map(|position| item.role(position)).collect();
        assert_eq!(roles, Role::ALL);
        let same = Example {
            corrupt: vec![1, 2, 3, 4, 5, 6, 7, 9],
            ..example
        };
        assert_eq!(TraceItem::new(&same), None);
    }
}

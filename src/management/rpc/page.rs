//! Answers that list: all at once while that is little, else page by page.
//!
//! A call with `limit` or `after` gets an object with one page and, where there is more,
//! `next`: what the next call gives as `after`. Without both it gets everything, as long as
//! that is within `management.list_max`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::method::{Answer, Arguments, Parameter, Type, result, wrong};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The parameters of a method that lists.
pub(super) const PAGE: &[Parameter] = &[LIMIT, Parameter::optional("after", Type::Text)];
/// How many entries a page has at the most.
pub(super) const LIMIT: Parameter = Parameter::optional("limit", Type::Count).at_least(1);

/// Which part of a list is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    after: Option<String>,
    limit: usize,
    is_asked: bool,
}

/// A page in an answer.
#[derive(Serialize)]
struct Shown<T: Serialize> {
    #[serde(flatten)]
    list: BTreeMap<&'static str, T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All entries were requested, and are too many.
fn too_many() -> ErrorBody {
    let message = "there are more than management.list_max; call with `limit`, and with \
                   `next` of each answer as `after` of the next call";
    ErrorBody::new(ErrorCode::TooLarge, message)
}

impl Page {
    /// The page of a call; of at most `max` entries.
    ///
    /// # Errors
    /// `bad_message` for a page without entries.
    pub(super) fn take(arguments: &mut Arguments, max: usize) -> Result<Self, ErrorBody> {
        let limit = arguments.optional_count()?;
        let after = arguments.optional_text()?;
        if limit == Some(0) {
            return Err(wrong("limit must be 1 or more"));
        }
        let asked = limit.map(|limit| usize::try_from(limit).unwrap_or(max));
        Ok(Self {
            is_asked: limit.is_some() || after.is_some(),
            limit: asked.unwrap_or(max).clamp(1, max.max(1)),
            after,
        })
    }

    /// How many entries it has at the most.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Cuts entries, which are in order and one more than the page has where there are more.
    /// Returns whether there are.
    ///
    /// # Errors
    /// `too_large`, where all were requested and are too many.
    pub(super) fn cut_entries<T>(&self, entries: &mut Vec<T>) -> Result<bool, ErrorBody> {
        if entries.len() <= self.limit {
            return Ok(false);
        }
        if !self.is_asked {
            return Err(too_many());
        }
        entries.truncate(self.limit);
        Ok(true)
    }

    /// What the entries come behind.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// How many entries show whether there is more.
    pub(super) const fn enough(&self) -> usize {
        self.limit.saturating_add(1)
    }

    /// The entries of the page and, where there are more, the last of it. `all` are in order.
    ///
    /// # Errors
    /// `too_large`, where all were requested and are too many.
    pub(super) fn cut(
        &self,
        all: impl Iterator<Item = String>,
    ) -> Result<(Vec<String>, Option<String>), ErrorBody> {
        let is_behind = |name: &String| self.after().is_none_or(|after| **name > *after);
        let mut names: Vec<String> = all.filter(is_behind).take(self.enough()).collect();
        if names.len() <= self.limit {
            return Ok((names, None));
        }
        if !self.is_asked {
            return Err(too_many());
        }
        names.truncate(self.limit);
        let next = names.last().cloned();
        Ok((names, next))
    }

    /// The answer with a list, or a map, of this name.
    pub(super) fn answer(
        &self,
        name: &'static str,
        list: impl Serialize,
        next: Option<String>,
    ) -> Answer {
        match self.is_asked {
            true => result(Shown {
                list: [(name, list)].into(),
                next,
            }),
            false => result(list),
        }
    }

    /// The answer with the entries of the page.
    pub(super) fn list(&self, name: &'static str, all: impl Iterator<Item = String>) -> Answer {
        let (list, next) = self.cut(all)?;
        self.answer(name, list, next)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::management::rpc::method::Argument;

    fn page(limit: Option<u64>, after: Option<&str>) -> Page {
        let limit = limit.map_or(Argument::None, Argument::Count);
        let after = after.map_or(Argument::None, |after| Argument::Text(after.to_owned()));
        Page::take(&mut Arguments::new(vec![limit, after]), 3).unwrap()
    }

    fn list(page: &Page, count: usize) -> Result<String, ErrorCode> {
        let all = (0..count).map(|n| format!("u{n}"));
        let answer = page.list("users", all);
        answer
            .map(|json| json.get().to_owned())
            .map_err(|error| error.code)
    }

    #[test]
    fn few_are_listed_at_once_and_many_by_page() {
        let all = page(None, None);
        assert_eq!(list(&all, 3).unwrap(), r#"["u0","u1","u2"]"#);
        assert_eq!(list(&all, 4), Err(ErrorCode::TooLarge));
        let first = page(Some(2), None);
        let text = r#"{"users":["u0","u1"],"next":"u1"}"#;
        assert_eq!(list(&first, 4).unwrap(), text);
        let second = page(Some(2), Some("u1"));
        assert_eq!(list(&second, 4).unwrap(), r#"{"users":["u2","u3"]}"#);
        // No page is longer than all may be, or empty while there is more.
        assert_eq!(page(Some(1_000_000), None).limit, 3);
        let none = vec![Argument::Count(0), Argument::None];
        let error = Page::take(&mut Arguments::new(none), 3).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadMessage);
        assert_eq!(list(&page(None, Some("u9")), 4).unwrap(), r#"{"users":[]}"#);
    }
}

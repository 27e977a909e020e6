//! Questions to your backend: JSON by POST, and JSON with the status 200 back.

use std::path::Path;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http_client::endpoint::Endpoint;
use crate::http_client::{AnswerLimits, Bytes, HttpClient};
use crate::plain_file;

/// Reads an object; a list of its values is none.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(body).ok().filter(|_| is_object)
}

/// The header `Authorization` with the token in a file.
///
/// # Errors
/// A sentence that names the file and not its content.
pub(super) fn bearer(path: &str) -> Result<HeaderValue, String> {
    let token = plain_file::read_text(Path::new(path))
        .map_err(|error| format!("cannot read the file of the token {path}: {error}"))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| format!("the token in {path} has control characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client that is made when it is needed.
#[derive(Debug, Default)]
pub(super) struct Backend(Mutex<Option<HttpClient>>);

impl Backend {
    fn client(&self) -> Result<HttpClient, String> {
        let client = &mut *self.0.lock();
        match client {
            Some(client) => Ok(client.clone()),
            None => {
                let new = HttpClient::new().map_err(|error| error.to_string())?;
                Ok(client.insert(new).clone())
            }
        }
    }

    /// The body of the answer.
    ///
    /// # Errors
    /// Why there is none, for the log.
    pub(super) async fn ask(
        &self,
        (url, token_file): (&str, &str),
        question: &Value,
        limits: AnswerLimits,
    ) -> Result<Bytes, String> {
        let endpoint = Endpoint::parse(url)?;
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        if !token_file.is_empty() {
            headers.push((AUTHORIZATION, bearer(token_file)?));
        }
        let body = Bytes::from(question.to_string());
        let answer = self.client()?.post(&endpoint, &headers, body, limits).await;
        match answer {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(format!("it answered {}", answer.status)),
            Err(failure) => Err(failure.to_string()),
        }
    }
}

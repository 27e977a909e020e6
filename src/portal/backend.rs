//! Questions to your backend: JSON by POST, and JSON with the status 200 back.

use http::header::CONTENT_TYPE;
use http::header::HeaderValue;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http_client::endpoint::Endpoint;
use crate::http_client::{AnswerLimits, Bytes, HttpClient};

/// Reads an object; a list of its values is none.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(body).ok().filter(|_| is_object)
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
        url: &str,
        question: &Value,
        limits: AnswerLimits,
    ) -> Result<Bytes, String> {
        let endpoint = Endpoint::parse(url)?;
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let body = Bytes::from(question.to_string());
        let answer = self.client()?.post(&endpoint, &headers, body, limits).await;
        match answer {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(format!("it answered {}", answer.status)),
            Err(failure) => Err(failure.to_string()),
        }
    }
}

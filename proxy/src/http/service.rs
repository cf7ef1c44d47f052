//! What answers requests: the seam between the server and the engine.

use std::future::Future;

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_storage::evidence::Client;
use http::header::USER_AGENT;
use http::{HeaderMap, Method};
use smol_str::SmolStr;

use super::reply::Reply;
use super::target::Target;
use crate::registry::RequestHead;

/// Answers requests below the registry mounts, and for Cordon's own pages (`/why/<id>`).
pub trait Service: Send + Sync + 'static {
    /// Finds out who asks, and writes it down in the request.
    ///
    /// # Errors
    /// The reply to somebody who shows a token that nobody has.
    fn admit(&self, request: &mut Request) -> Result<(), Box<Reply>>;

    /// Answers one request. Anything the service refuses is a [`Reply`] as well; it has no errors.
    fn answer(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// Told when the bytes of an artifact, or a part of them, start on their way to a client: not
    /// of a `HEAD`, a 304 or a 416, which bring none. `decision` allowed them.
    fn sent(&self, decision: &DecisionId, client: &Client);
}

/// A request whose target, framing and host were found sound. It carries no body but the form of
/// Cordon's own page: any other that was sent is thrown away, because no registry route takes one.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub target: Target,
    /// How.
    pub method: Method,
    /// Headers as sent, for content negotiation and the form of refusals; never for policy.
    pub headers: HeaderMap,
    /// Who asks, as far as the connection and the token tell.
    pub client: Client,
    /// Who that is, if they showed a token.
    pub identity: Option<SmolStr>,
    /// The form sent to one of Cordon's own pages; else empty.
    pub body: Bytes,
}

impl Request {
    /// The request as adapters see it.
    pub fn head(&self) -> RequestHead<'_> {
        self.target.head(&self.method, &self.headers)
    }
}

/// Longest agent kept in records, in characters.
const MAX_AGENT_CHARACTERS: usize = 64;

/// The first product of the `User-Agent` (`npm/11.19.1`), visible ASCII, cut; empty without one.
pub fn agent_of(headers: &HeaderMap) -> SmolStr {
    let Some(value) = headers.get(USER_AGENT) else {
        return SmolStr::default();
    };
    let is_plain = |byte: &u8| byte.is_ascii_graphic();
    let product = value
        .as_bytes()
        .split(|byte| *byte == b' ')
        .next()
        .unwrap_or_default();
    product
        .iter()
        .take(MAX_AGENT_CHARACTERS)
        .map(|byte| {
            if is_plain(byte) {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn agent(value: &[u8]) -> SmolStr {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_bytes(value).expect("header"));
        agent_of(&headers)
    }

    #[test]
    fn the_agent_is_the_first_product_made_printable_and_cut() {
        assert_eq!(agent(b"npm/11.19.1 node/v20 linux x64"), "npm/11.19.1");
        assert_eq!(agent(b"pip/26.3 {\"ci\":null}"), "pip/26.3");
        assert_eq!(agent(b"\xe2\x80\xae evil\t"), "???");
        assert_eq!(agent(&[b'a'; 500]).len(), MAX_AGENT_CHARACTERS);
        assert_eq!(agent_of(&HeaderMap::new()), "");
    }
}

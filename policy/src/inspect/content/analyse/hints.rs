//! What means something only with other things of the file.

use super::super::capability::{Capability, of_name};
use super::super::follow::Hints;
use super::super::names::Chain;
use super::super::token::{Language, Token};
use super::{Analyser, Detail};

impl Analyser<'_> {
    /// Notices what is only named.
    pub(super) fn mentioned(&mut self, at: usize, chain: &Chain) {
        if chain.path.starts_with("~module.paths") && self.language.is_script() {
            Hints::keep(&mut self.hints.others, at);
        }
        if is_request(&chain.path) {
            Hints::keep(&mut self.hints.receives, at);
        }
        if self.language == Language::Python && chain.path.ends_with(".__file__") {
            Hints::keep(&mut self.hints.others, at);
        }
    }

    /// Notices what means something only with other things of the file.
    pub(super) fn hint(&mut self, at: usize, chain: &Chain) {
        let Some(open) = chain.arguments else {
            return;
        };
        let last = chain.path.rsplit('.').next().unwrap_or_default();
        let decodes = matches!(
            of_name(self.language, &chain.path),
            Some((Capability::Decode, _))
        ) || matches!(
            last,
            "decrypt" | "gunzipSync" | "inflateSync" | "brotliDecompressSync"
        ) || matches!(
            &*chain.path,
            "~chr" | "String.fromCharCode" | "~String.fromCharCode" | "marshal.loads"
        );
        if chain.path == "~require.resolve" && self.language.is_script() {
            let named = self.token(open + 1).and_then(|it| it.constant());
            if named.is_some_and(|it| !it.starts_with('.')) {
                Hints::keep(&mut self.hints.others, at);
            }
        }
        if decodes && self.decodes_text(open) {
            Hints::keep(&mut self.hints.decodes, at);
        }
        if matches!(last, "recv" | "recv_into" | "makefile") {
            Hints::keep(&mut self.hints.receives, at);
        }
        if matches!(&*chain.path, "worker_threads.Worker" | "~Worker") {
            self.worker(at, open);
        }
        let takes_code = matches!(&*chain.path, "~setTimeout" | "~setInterval");
        let constant = self.token(open + 1).and_then(|it| it.constant());
        if let Some(code) = constant.filter(|_| takes_code && !self.is_nested)
            && let Some(token) = self.token(at)
        {
            self.nested(self.language, code, token, at);
        }
        if self.language == Language::Python
            && chain.path == "~open"
            && self.opens_to_write(open)
            && let Some(token) = self.token(at)
        {
            self.found(Capability::Write, at, token, Detail::None);
        }
    }

    /// `new Worker('…', { eval: true })`.
    pub(super) fn worker(&mut self, at: usize, open: usize) {
        let arguments: Vec<&Token<'_>> = self.arguments(open).collect();
        let is_code = arguments.windows(3).any(|window| {
            let [name, colon, value] = window else {
                return false;
            };
            name.text == "eval" && colon.is_mark(":") && matches!(&*value.text, "true" | "1" | "!")
        });
        let Some(token) = self.token(at).filter(|_| is_code) else {
            return;
        };
        match self.names.constant(open + 1) {
            Some((code, _)) if !self.is_nested => self.nested(self.language, &code, token, at),
            Some(_) => {}
            None => {
                self.hints.opened(at, Some(open));
                self.found(Capability::DynamicCode, at, token, Detail::None);
            }
        }
    }

    /// Whether a call that may decode does: `Buffer.from(x)` alone does not.
    pub(super) fn decodes_text(&self, open: usize) -> bool {
        let is_buffer = open
            .checked_sub(1)
            .and_then(|it| self.token(it))
            .is_some_and(|it| matches!(&*it.text, "from" | "Buffer"));
        !is_buffer
            || self
                .arguments(open)
                .any(|it| matches!(it.constant(), Some("base64" | "hex" | "base64url")))
    }

    /// `open(path, 'wb')`.
    pub(super) fn opens_to_write(&self, open: usize) -> bool {
        let mut texts = self.arguments(open).filter_map(|it| it.constant());
        texts.any(|it| {
            matches!(
                it,
                "w" | "wb" | "a" | "ab" | "w+" | "a+" | "wb+" | "x" | "xb" | "r+b" | "rb+" | "r+"
            )
        })
    }
}

/// Whether a path is what somebody sent to a server, or a server sent: `req.headers.x`, `r.body`.
fn is_request(path: &str) -> bool {
    if let Some(rest) = path.strip_prefix("flask.request.") {
        return !rest.is_empty();
    }
    let mut parts = path.split('.');
    let root = parts.next().and_then(|it| it.strip_prefix('~'));
    let is_somebody = root.is_some_and(|it| !matches!(it, "document" | "window" | "this" | "self"));
    is_somebody
        && parts
            .take(2)
            .any(|it| matches!(it, "headers" | "body" | "query" | "cookies"))
}

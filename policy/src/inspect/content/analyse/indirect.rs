//! Functions that are reached through another: `getattr(os, 'system')`, `Reflect.get(fs, 'x')`.

use super::super::capability::of_name;
use super::super::names::Chain;
use super::super::token::{Language, Token};
use super::Analyser;

impl<'s> Analyser<'s> {
    /// Looks behind a call that hands out, or calls, a function of something else.
    pub(super) fn indirect(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) {
        let Some(open) = chain.arguments else {
            return;
        };
        let called = match (self.language, &*chain.path) {
            (Language::Python, "~getattr") => self.attribute(open),
            (Language::Python, "~vars") => self.variable(open),
            (Language::Python | Language::Rust, _) => None,
            (_, "~Reflect.get") => self.attribute(open),
            (_, "~Reflect.apply" | "~Reflect.construct") => self.applied(open),
            _ => None,
        };
        if let Some(called) = called
            && let Some((capability, used)) = of_name(self.language, &called.path)
        {
            self.use_of(at, token, &called, capability, used);
        }
    }

    /// `getattr(os, 'sys' + 'tem')`.
    fn attribute(&self, open: usize) -> Option<Chain> {
        let object = self.names.chain(open + 1)?;
        self.token(object.end).filter(|it| it.is_mark(","))?;
        let (name, end) = self.names.constant(object.end + 1)?;
        Some(self.member_of(&object, &name, end + 1))
    }

    /// `vars(os)['system'](…)`.
    fn variable(&self, open: usize) -> Option<Chain> {
        let object = self.names.chain(open + 1)?;
        let (name, end) = self.names.constant(object.end + 2)?;
        self.token(end).filter(|it| it.is_mark("]"))?;
        Some(self.member_of(&object, &name, end + 1))
    }

    /// `Reflect.apply(exec, null, ['…'])`.
    fn applied(&self, open: usize) -> Option<Chain> {
        let object = self.names.chain(open + 1)?;
        let list = (object.end..object.end + 12)
            .find(|it| self.token(*it).is_some_and(|token| token.is_mark("[")))?;
        Some(Chain {
            arguments: Some(list),
            is_known: true,
            ..object
        })
    }

    fn member_of(&self, object: &Chain, name: &str, end: usize) -> Chain {
        let path = match &*object.path {
            "~globalThis" | "~window" | "~global" | "~self" => format!("~{name}"),
            path => format!("{path}.{name}"),
        };
        Chain {
            path: self.names.tidied(path),
            end,
            is_known: true,
            arguments: Some(end),
        }
    }
}

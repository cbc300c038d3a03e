//! What one source file says: the modules it declares, what it imports, what it defines.
//!
//! Only tokens are looked at, so a path counts wherever it stands: in a `use`, in a type, in a call, in a macro's arguments.
//! What is compiled for tests only is left out.

use std::collections::BTreeSet;

use crate::tokens::{Token, tokens};

/// A module, as its source has it; a file is one, with the inline modules in it.
#[derive(Debug, Default)]
pub struct Module {
    /// `mod name;`, with the file that a `#[path]` before it names.
    pub declared: Vec<(String, Option<String>)>,
    /// `mod name { … }`
    pub inline: Vec<(String, Module)>,
    pub uses: Vec<Use>,
    pub paths: Vec<Mention>,
    /// The names of the items that are defined here.
    pub defined: BTreeSet<String>,
}

/// One name that a `use` brings in.
#[derive(Debug)]
pub struct Use {
    /// `None`: all names (`*`).
    pub name: Option<String>,
    pub mention: Mention,
}

/// A path of two or more words, or of a `use`, and where it stands.
#[derive(Debug)]
pub struct Mention {
    pub path: Vec<String>,
    pub line: usize,
    /// All that is in it is meant (`*`).
    pub all: bool,
}

/// # Errors
/// A sentence: where the text cannot be taken apart.
pub fn read(text: &str) -> Result<Module, String> {
    let mut module = Module::default();
    module.read(&tokens(text)?, true);
    Ok(module)
}

/// What is still to be read.
#[derive(Clone, Copy)]
struct Ahead<'a>(&'a [Token]);

impl<'a> Ahead<'a> {
    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn next_if(&mut self, wanted: impl FnOnce(&Token) -> bool) -> Option<&'a Token> {
        self.0.first().filter(|token| wanted(token))?;
        self.next()
    }

    fn next_word(&mut self) -> Option<(&'a str, usize)> {
        match self.next_if(|token| matches!(token, Token::Word { .. }))? {
            Token::Word { text, line } => Some((text, *line)),
            _ => None,
        }
    }

    fn sign(&mut self, sign: char) -> bool {
        self.next_if(|token| token.is_sign(sign)).is_some()
    }

    /// `::`
    fn colons(&mut self) -> bool {
        let mut ahead = *self;
        let both = ahead.sign(':') && ahead.sign(':');
        if both {
            *self = ahead;
        }
        both
    }
}

const DEFINES: [&str; 9] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];

impl Module {
    /// `top`: these tokens are items of the module, not the inside of one.
    fn read(&mut self, tokens: &[Token], top: bool) {
        let mut ahead = Ahead(tokens);
        let mut file = None;
        loop {
            // `<T as Trait>::Item::Other` and `value.field` begin no path.
            let goes_on = ahead.colons() || ahead.sign('.');
            let Some(token) = ahead.next() else { return };
            match token {
                Token::Sign { sign: '#', .. } => file = self.attribute(&mut ahead).or(file),
                Token::Sign { .. } | Token::Text(_) => {}
                Token::Group { tokens, .. } => self.read(tokens, false),
                Token::Word { .. } if goes_on => while ahead.colons() && ahead.next_word().is_some() {},
                Token::Word { text, line } => match text.as_str() {
                    "pub" => visibility(&mut ahead),
                    // `use<'a>` is a bound.
                    "use" if !ahead.sign('<') => self.take_use(&mut ahead),
                    "mod" => self.take_module(&mut ahead, file.take()),
                    word if top && DEFINES.contains(&word) => self.define(&mut ahead),
                    word => self.path(word, *line, &mut ahead),
                },
            }
        }
    }

    /// An attribute may name paths too (`#[derive(serde::Serialize)]`). `#[cfg(test)]` takes its item away. The result is the
    /// file of a `#[path = "file"]`.
    fn attribute(&mut self, ahead: &mut Ahead<'_>) -> Option<String> {
        ahead.sign('!');
        let Token::Group { tokens, .. } = ahead.next_if(|token| matches!(token, Token::Group { .. }))? else {
            return None;
        };
        if only_for_tests(tokens) {
            skip_item(ahead);
            return None;
        }
        self.read(tokens, false);
        match &tokens[..] {
            [path, is, Token::Text(file)] if path.is_word("path") && is.is_sign('=') => Some(file.clone()),
            _ => None,
        }
    }

    fn take_use(&mut self, ahead: &mut Ahead<'_>) {
        let end = ahead.0.iter().position(|token| token.is_sign(';')).unwrap_or(ahead.0.len());
        let (tree, rest) = ahead.0.split_at(end);
        ahead.0 = rest;
        self.expand(tree, &[]);
    }

    /// One tree of a `use`: `a::b`, `a::{b, c as d}`, `a::*`.
    fn expand(&mut self, tree: &[Token], before: &[String]) {
        let (mut path, mut line, mut ahead) = (before.to_vec(), 0, Ahead(tree));
        while let Some(token) = ahead.next() {
            match token {
                Token::Word { text, .. } if text == "as" => {
                    let name = ahead.next_word().map(|(name, _)| name.to_owned());
                    self.uses.push(Use { name, mention: Mention { path, line, all: false } });
                    return;
                }
                Token::Word { text, line: of_word } => {
                    line = *of_word;
                    path.push(text.clone());
                }
                Token::Sign { sign: '*', line } => {
                    self.uses.push(Use { name: None, mention: Mention { path, line: *line, all: true } });
                    return;
                }
                Token::Group { tokens, .. } => {
                    let trees = tokens.split(|token| token.is_sign(','));
                    trees.filter(|tree| !tree.is_empty()).for_each(|tree| self.expand(tree, &path));
                    return;
                }
                Token::Sign { .. } | Token::Text(_) => {}
            }
        }
        path.pop_if(|last| last == "self");
        self.uses.push(Use { name: path.last().cloned(), mention: Mention { path, line, all: false } });
    }

    fn take_module(&mut self, ahead: &mut Ahead<'_>, file: Option<String>) {
        let Some((name, _)) = ahead.next_word() else { return };
        match ahead.next() {
            Some(Token::Group { tokens, .. }) => {
                let mut inline = Self::default();
                inline.read(tokens, true);
                self.inline.push((name.to_owned(), inline));
            }
            _ => self.declared.push((name.to_owned(), file)),
        }
    }

    fn define(&mut self, ahead: &mut Ahead<'_>) {
        // `const fn name`, `macro_rules! name`, `static mut NAME`.
        let more = |token: &Token| {
            ["fn", "mut", "unsafe", "async"].iter().any(|word| token.is_word(word)) || token.is_sign('!')
        };
        while ahead.next_if(more).is_some() {}
        self.defined.extend(ahead.next_word().map(|(name, _)| name.to_owned()));
    }

    /// `first`, and what follows it after `::`.
    fn path(&mut self, first: &str, line: usize, ahead: &mut Ahead<'_>) {
        let mut path = vec![first.to_owned()];
        loop {
            let mut further = *ahead;
            let Some((word, _)) = further.colons().then(|| further.next_word()).flatten() else { break };
            path.push(word.to_owned());
            *ahead = further;
        }
        if path.len() > 1 {
            self.paths.push(Mention { path, line, all: false });
        }
    }
}

/// `(crate)`, `(in super::super)`: says who may see an item, and imports nothing. What else may follow is a tuple's field.
fn visibility(ahead: &mut Ahead<'_>) {
    let scope = |token: &Token| match token {
        Token::Group { open: '(', tokens } => match &tokens[..] {
            [alone] => ["crate", "super", "self"].iter().any(|word| alone.is_word(word)),
            [first, ..] => first.is_word("in"),
            [] => false,
        },
        _ => false,
    };
    ahead.next_if(scope);
}

/// `cfg(test)`, or `cfg(all(test, …))`.
fn only_for_tests(attribute: &[Token]) -> bool {
    let [cfg, Token::Group { tokens, .. }] = attribute else { return false };
    let test = match &tokens[..] {
        [all, Token::Group { tokens, .. }] if all.is_word("all") => tokens.first(),
        [alone] => Some(alone),
        _ => None,
    };
    cfg.is_word("cfg") && test.is_some_and(|token| token.is_word("test"))
}

/// The rest of an item: to the end of its body, or to its semicolon.
fn skip_item(ahead: &mut Ahead<'_>) {
    let mut imports = false;
    while let Some(token) = ahead.next() {
        imports |= token.is_word("use");
        let body = matches!(token, Token::Group { open: '{', .. });
        if token.is_sign(';') || (body && !imports) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(module: &Module) -> Vec<String> {
        module.uses.iter().map(|of| &of.mention).chain(&module.paths).map(|mention| mention.path.join("::")).collect()
    }

    #[test]
    fn a_use_is_taken_apart() {
        let module = read("use crate::{a::{self, B as C}, d::*};\npub(in super::super) use e::f;").unwrap();
        assert_eq!(paths(&module), ["crate::a", "crate::a::B", "crate::d", "e::f"]);
        let names: Vec<_> = module.uses.iter().map(|of| of.name.as_deref()).collect();
        assert_eq!(names, [Some("a"), Some("C"), None, Some("f")]);
        assert_eq!(module.uses[3].mention.line, 2);
    }

    #[test]
    fn a_path_counts_wherever_it_stands() {
        let text = "fn f(a: b::C<d::E>) -> <g::H as i::J>::K::L { m!(n::o(x.y.z), ::p::q); r::<s::T>() }\n#[derive(u::V)] struct W;";
        let module = read(text).unwrap();
        assert_eq!(paths(&module), ["b::C", "d::E", "g::H", "i::J", "n::o", "s::T", "u::V"]);
        assert!(module.defined.contains("f") && module.defined.contains("W"));
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        let text = r##"
            //! [`crate::a`]
            /* crate::b */ const C: &str = r#"crate::c"#; const D: char = '"'; fn e<'a>(e: &'a str) { e.crate_d() }
            #[cfg(test)] use crate::{f, g};
            #[cfg(test)]
            #[path = "h.rs"]
            mod h;
            #[cfg(all(test, unix))] mod i { use crate::j; }
            mod k { use crate::l; }
        "##;
        let module = read(text).unwrap();
        assert_eq!(paths(&module), [""; 0]);
        assert!(module.declared.is_empty(), "{module:?}");
        assert_eq!(paths(&module.inline[0].1), ["crate::l"]);
    }
}

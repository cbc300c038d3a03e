//! Rust's tokens, as far as paths need them: words, signs and what stands in brackets. Comments, numbers, characters and strings
//! are passed over.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word {
        text: String,
        line: usize,
    },
    Sign {
        sign: char,
        line: usize,
    },
    Group {
        open: char,
        tokens: Vec<Token>,
    },
    /// A string that is not raw, for `#[path = "…"]`; what else is a value has no text here.
    Text(String),
}

impl Token {
    pub fn is_word(&self, wanted: &str) -> bool {
        matches!(self, Self::Word { text, .. } if text == wanted)
    }

    pub fn is_sign(&self, wanted: char) -> bool {
        matches!(self, Self::Sign { sign, .. } if *sign == wanted)
    }
}

/// # Errors
/// A sentence: where the text cannot be taken apart.
pub fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    lexer.group(None)
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn next_if(&mut self, wanted: char) -> bool {
        self.rest.peek() == Some(&wanted) && self.next().is_some()
    }

    /// Everything up to the bracket that ends it, or to the end of the text.
    fn group(&mut self, end: Option<char>) -> Result<Vec<Token>, String> {
        let (mut tokens, began) = (Vec::new(), self.line);
        while let Some(next) = self.next() {
            let line = self.line;
            match next {
                _ if Some(next) == end => return Ok(tokens),
                ')' | ']' | '}' => return Err(format!("line {line}: `{next}` ends nothing")),
                '(' => tokens.push(Token::Group { open: next, tokens: self.group(Some(')'))? }),
                '[' => tokens.push(Token::Group { open: next, tokens: self.group(Some(']'))? }),
                '{' => tokens.push(Token::Group { open: next, tokens: self.group(Some('}'))? }),
                '/' if self.next_if('/') => while self.next().is_some_and(|next| next != '\n') {},
                '/' if self.next_if('*') => self.comment(),
                '"' => tokens.push(Token::Text(self.string())),
                '\'' => self.character(),
                digit if digit.is_ascii_digit() => self.number(),
                first if first.is_alphabetic() || first == '_' => self.word(first, &mut tokens),
                space if space.is_whitespace() => {}
                sign => tokens.push(Token::Sign { sign, line }),
            }
        }
        if end.is_some() { Err(format!("line {began}: what begins here has no end")) } else { Ok(tokens) }
    }

    /// Comments may lie within comments.
    fn comment(&mut self) {
        let mut depth = 1;
        while depth > 0
            && let Some(next) = self.next()
        {
            depth += usize::from(next == '/' && self.next_if('*'));
            depth -= usize::from(next == '*' && self.next_if('/'));
        }
    }

    fn string(&mut self) -> String {
        let mut text = String::new();
        while let Some(next) = self.next().filter(|next| *next != '"') {
            text.push(next);
            text.extend((next == '\\').then(|| self.next()).flatten());
        }
        text
    }

    /// Between as many `#` as stand before it.
    fn raw_string(&mut self, marks: usize) {
        while let Some(next) = self.next() {
            if next == '"' && (0..marks).all(|_| self.next_if('#')) {
                return;
            }
        }
    }

    /// `'a'` is a character, and `'a` names a lifetime.
    fn character(&mut self) {
        match self.next() {
            Some('\\') => {
                self.next();
                while self.next().is_some_and(|next| next != '\'') {}
            }
            Some(first) if !self.next_if('\'') && (first.is_alphabetic() || first == '_') => {
                self.letters(&mut String::new())
            }
            _ => {}
        }
    }

    /// `1_000u64`, `0xff`, `1.5`; but `0..2` is two numbers, and `pair.0.1` two fields.
    fn number(&mut self) {
        self.letters(&mut String::new());
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|next| next.is_ascii_digit()) {
            self.next();
            self.letters(&mut String::new());
        }
    }

    fn letters(&mut self, text: &mut String) {
        while let Some(letter) = self.rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
            text.push(letter);
        }
    }

    /// A word; or what begins like one: `r#"…"#`, `b"…"`, `b'x'`, and `r#type`, a word again.
    fn word(&mut self, first: char, tokens: &mut Vec<Token>) {
        let (mut text, line) = (String::from(first), self.line);
        self.letters(&mut text);
        let next = self.rest.peek().copied();
        match (text.as_str(), next) {
            ("r" | "br" | "cr", Some('"' | '#')) => {
                let mut marks = 0;
                while self.next_if('#') {
                    marks += 1;
                }
                if self.next_if('"') {
                    self.raw_string(marks);
                    return;
                }
                text.clear();
                self.letters(&mut text);
            }
            ("b" | "c", Some('"')) => {
                self.next();
                self.string();
                return;
            }
            ("b", Some('\'')) => {
                self.next();
                self.character();
                return;
            }
            _ => {}
        }
        tokens.push(Token::Word { text, line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a text, with their lines.
    fn words(text: &str) -> Vec<String> {
        fn gather(tokens: &[Token], words: &mut Vec<String>) {
            for token in tokens {
                match token {
                    Token::Word { text, line } => words.push(format!("{text} {line}")),
                    Token::Group { tokens, .. } => gather(tokens, words),
                    Token::Sign { .. } | Token::Text(_) => {}
                }
            }
        }
        let mut words = Vec::new();
        gather(&tokens(text).unwrap(), &mut words);
        words
    }

    #[test]
    fn only_words_are_words() {
        let text = "a // x\n/* x /* x */ x\n */ b \"x \\\" x\nx\" c r##\"x \"# x\"## d br#\"x\"# e b\"x\" f '\"' g '\\'' h '\\u{1F}' i";
        assert_eq!(words(text), ["a 1", "b 3", "c 4", "d 4", "e 4", "f 4", "g 4", "h 4", "i 4"]);
    }

    #[test]
    fn lifetimes_numbers_and_raw_words_are_told_apart() {
        assert_eq!(words("fn a<'a, '_>(b: &'static C) { b'x' 'y' r#type }"), ["fn 1", "a 1", "b 1", "C 1", "type 1"]);
        assert_eq!(words("0..d 1.5e3 0xffu64 pair.0.max 1.max"), ["d 1", "pair 1", "max 1", "max 1"]);
        assert_eq!(words("'a' 'b 'é' '\"' c"), ["c 1"]);
    }

    #[test]
    fn brackets_have_to_fit() {
        assert!(tokens("a { b ( c } )").unwrap_err().contains("`}` ends nothing"));
        assert!(tokens("\n{ a").unwrap_err().contains("line 2"));
    }
}

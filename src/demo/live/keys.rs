//! What a key means.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::row::{Look, Row};
use crate::flow::{Action, Keep, NewRecords, PauseOrder, Release, ResumeOrder};

/// What somebody at the keys wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Up,
    Down,
    /// Of the selected flow.
    Order(Action),
    End,
}

/// The keys, for the last row of the screen: as [`read`] reads them.
pub(super) fn help() -> Row {
    let keys = [
        (" ↑↓", " select  "),
        ("p", " pause ("),
        ("d", " discard new, "),
        ("a", " keep all)  "),
        ("r", " resume ("),
        ("x", " drop held)  "),
        ("q", " quit"),
    ];
    keys.into_iter().fold(Row::default(), |row, (key, word)| row.and(Look::Bold, key).and(Look::Dim, word))
}

/// What an event of the terminal means, if anything.
pub(super) fn read(event: &Event) -> Option<Wish> {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) = event else {
        return None;
    };
    let pause = |order| Some(Wish::Order(Action::Pause(order)));
    let resume = |order| Some(Wish::Order(Action::Resume(order)));
    match code {
        KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::End),
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::End),
        KeyCode::Up | KeyCode::Char('k') | KeyCode::BackTab => Some(Wish::Up),
        KeyCode::Down | KeyCode::Char('j') | KeyCode::Tab => Some(Wish::Down),
        KeyCode::Char('p') => pause(PauseOrder {
            new_records: Some(NewRecords::Queue),
            keep: Some(Keep::Latest),
            ..PauseOrder::default()
        }),
        KeyCode::Char('d') => pause(PauseOrder { new_records: Some(NewRecords::Discard), ..PauseOrder::default() }),
        KeyCode::Char('a') => pause(PauseOrder { keep: Some(Keep::All), ..PauseOrder::default() }),
        KeyCode::Char('r') => resume(ResumeOrder::default()),
        KeyCode::Char('x') => resume(ResumeOrder { release: Some(Release::None), ..ResumeOrder::default() }),
        _ => None,
    }
}

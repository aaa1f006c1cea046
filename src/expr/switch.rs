//! `switch`: Rhai keeps only hashes of its cases, so their values are read from the text once more.

use rhai::{Expr, Position, SwitchCasesCollection, Token};

use super::ir::{Arm, Case, Ir, Switch};
use super::lower::{Lower, Refusal};
use super::problem::Source;

const REFUSED: &str = "a `switch` with such cases is interpreted";

/// Compiles a `switch`.
pub(super) fn lower(
    lower: &mut Lower<'_>,
    value: &Expr,
    parts: &SwitchCasesCollection,
    at: Position,
) -> Result<Ir, Refusal> {
    let cases = cases(lower.parser(), lower.source, parts, at).ok_or((at, REFUSED))?;
    lower.switches = Some(at);
    let local = lower.new_local();
    let value = lower.expr(value)?;
    let (mut arms, mut ranges) = (Vec::new(), Vec::new());
    for (cases, pair) in cases.into_iter().zip(&parts.expressions) {
        let condition = match &pair.lhs {
            Expr::BoolConstant(true, _) => None,
            other => Some((lower.operand(other)?, other.position())),
        };
        let body = lower.expr(&pair.rhs)?;
        let (range, exact): (Vec<Case>, Vec<Case>) =
            cases.into_iter().map(|(case, _)| case).partition(|case| matches!(case, Case::Range(..)));
        if !exact.is_empty() {
            arms.push(Arm { cases: exact, condition: condition.clone(), body: body.clone() });
        }
        // Rhai tries ranges after all exact cases.
        if !range.is_empty() {
            ranges.push(Arm { cases: range, condition, body });
        }
    }
    arms.append(&mut ranges);
    let otherwise = match parts.def_case.and_then(|index| parts.expressions.get(index)) {
        Some(pair) => lower.expr(&pair.rhs)?,
        None => lower.block(&[])?,
    };
    Ok(Ir::Switch(Box::new(Switch { value, local, arms, otherwise })))
}

/// A case and its place.
type Placed = (Case, Position);

/// The cases of each arm of the `switch` at a position; none for the default arm.
pub(super) fn cases(
    parser: &rhai::Engine,
    source: &Source,
    parts: &SwitchCasesCollection,
    at: Position,
) -> Option<Vec<Vec<Placed>>> {
    let texts = [source.text.as_str()];
    let (tokens, _) = parser.lex(&texts);
    let tokens = tokens.take_while(|(token, _)| !matches!(token, Token::EOF));
    let (tokens, places): (Vec<Token>, Vec<Position>) = tokens.skip_while(|(_, start)| *start != at).unzip();
    // The body is the first brace outside of all brackets.
    let mut depth = 0usize;
    let open = tokens.iter().position(|token| match token {
        Token::LeftBrace => depth == 0,
        Token::LeftParen | Token::LeftBracket | Token::MapStart => {
            depth += 1;
            false
        }
        Token::RightParen | Token::RightBracket | Token::RightBrace => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => false,
    })?;
    let mut arms = Vec::new();
    let mut at = open + 1;
    while !matches!(tokens.get(at)?, Token::RightBrace) {
        let start = at;
        at += tokens[at..].iter().position(|token| matches!(token, Token::DoubleArrow))?;
        arms.push(arm(&tokens[start..at], &places[start..at])?);
        at = after_body(&tokens, at + 1)?;
    }
    Some(arms).filter(|arms| arms.len() == parts.expressions.len())
}

/// The token after the body of an arm and its comma.
fn after_body(tokens: &[Token], start: usize) -> Option<usize> {
    let block = matches!(tokens.get(start)?, Token::LeftBrace);
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token {
            Token::LeftBrace | Token::LeftParen | Token::LeftBracket | Token::MapStart => depth += 1,
            Token::RightBrace if depth == 0 => return Some(at),
            Token::RightBrace | Token::RightParen | Token::RightBracket => {
                depth = depth.checked_sub(1)?;
                if block && depth == 0 && !matches!(tokens.get(at + 1)?, Token::Comma) {
                    return Some(at + 1);
                }
            }
            Token::Comma if depth == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The cases before an arrow.
fn arm(tokens: &[Token], places: &[Position]) -> Option<Vec<Placed>> {
    let pattern = tokens.split(|token| matches!(token, Token::If)).next()?;
    if let [Token::Underscore] = pattern {
        return Some(Vec::new());
    }
    let mut at = 0;
    let mut cases = Vec::new();
    for tokens in pattern.split(|token| matches!(token, Token::Pipe)) {
        cases.push((case(tokens)?, *places.get(at)?));
        at += tokens.len() + 1;
    }
    Some(cases)
}

fn case(tokens: &[Token]) -> Option<Case> {
    Some(match tokens {
        [Token::Unit] => Case::Unit,
        [Token::True] => Case::Bool(true),
        [Token::False] => Case::Bool(false),
        [Token::StringConstant(text)] => Case::Text(text.to_string()),
        [Token::IntegerConstant(int)] => Case::Int(*int),
        [Token::UnaryMinus | Token::Minus, Token::IntegerConstant(int)] => Case::Int(int.checked_neg()?),
        [Token::IntegerConstant(from), Token::InclusiveRange, Token::IntegerConstant(to)] => {
            Case::Range(*from, *to, true)
        }
        [Token::IntegerConstant(from), Token::ExclusiveRange, Token::IntegerConstant(to)] => {
            Case::Range(*from, *to, false)
        }
        _ => return None,
    })
}

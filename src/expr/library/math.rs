//! Numbers.

use super::{Call, Fail, Function, Param, Returned, Run, Types, Value};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "abs",
    params: &[Param::new("number", Types::NUMBER)],
    returns: Types::NUMBER,
    doc: "The number without its sign.",
    example: ("abs(-3)", "3"),
    run: Run::Scalar(abs),
    check: None,
}];

fn abs<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>, Fail> {
    let value = match args {
        [Value::Int(x)] => {
            Value::Int(x.checked_abs().ok_or_else(|| Fail::arithmetic(format!("abs({x}) does not fit 64 bits")))?)
        }
        [Value::Float(x)] => Value::Float(x.abs()),
        _ => Value::Unit,
    };
    Ok(value.into())
}

//! Numbers. Ints are 64 bits and never wrap; where Rhai has a function for floats only, ints are taken as well.

use super::{Call, Fail, Function, Param, Returned, Run, Types, Value};

const X: Param = Param::new("x", Types::NUMBER);
const Y: Param = Param::new("y", Types::NUMBER);

/// A function from a number to a float.
const fn float_function(
    name: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
    run: for<'a> fn(&[Value<'a>], &mut Call) -> Result<Returned<'a>>,
) -> Function {
    Function::new(name, &[X], Types::FLOAT, doc, example, Run::Scalar(run))
}

/// A function from a number to a bool.
const fn test_function(
    name: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
    run: for<'a> fn(&[Value<'a>], &mut Call) -> Result<Returned<'a>>,
) -> Function {
    Function::new(name, &[X], Types::BOOL, doc, example, Run::Scalar(run))
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("abs", &[X], Types::NUMBER, "The number without its sign.", ("abs(-3)", "3"), Run::Scalar(abs)),
    Function::new(
        "sign",
        &[X],
        Types::INT,
        "-1, 0 or 1, as the number is negative, zero or positive.",
        ("sign(-2.5)", "-1"),
        Run::Scalar(sign),
    ),
    Function::new(
        "floor",
        &[X],
        Types::NUMBER,
        "The next whole number that is not greater, of the same type.",
        ("floor(-2.5)", "-3.0"),
        Run::Scalar(|args, _| whole(args, f64::floor)),
    ),
    Function::new(
        "ceiling",
        &[X],
        Types::NUMBER,
        "The next whole number that is not less, of the same type.",
        ("ceiling(2.1)", "3.0"),
        Run::Scalar(|args, _| whole(args, f64::ceil)),
    ),
    Function::new(
        "round",
        &[X, Param::optional("digits", Types::INT)],
        Types::NUMBER,
        "The number rounded to a whole one, or to `digits` (0 to 15) after the point; halves go away from zero.",
        ("round(17.456, 2)", "17.46"),
        Run::Scalar(round),
    ),
    Function::new(
        "int",
        &[X],
        Types::NUMBER,
        "The number without what follows the point, of the same type; `to_int` gives an int.",
        ("int(-2.7)", "-2.0"),
        Run::Scalar(|args, _| whole(args, f64::trunc)),
    ),
    float_function("fraction", "What follows the point.", ("fraction(2.25)", "0.25"), |args, _| {
        float(args, f64::fract)
    }),
    Function::new(
        "clamp",
        &[X, Param::new("least", Types::NUMBER), Param::new("greatest", Types::NUMBER)],
        Types::NUMBER,
        "The number, or the bound that it is beyond.",
        ("clamp(130, 0, 100)", "100"),
        Run::Scalar(clamp),
    ),
    Function::new(
        "pow",
        &[X, Y],
        Types::NUMBER,
        "`x` to the power of `y`: an int of two ints (`y` not negative), else a float.",
        ("pow(2, 10)", "1024"),
        Run::Scalar(pow),
    ),
    Function::new(
        "modulo",
        &[Param::new("x", Types::INT), Param::new("n", Types::INT)],
        Types::INT,
        "What remains of `x` divided by `n`, never negative, unlike `%`.",
        ("modulo(-7, 3)", "2"),
        Run::Scalar(modulo),
    ),
    float_function("sqrt", "The square root.", ("sqrt(16)", "4.0"), |args, _| float(args, f64::sqrt)),
    float_function("exp", "e to the power of `x`.", ("exp(0)", "1.0"), |args, _| float(args, f64::exp)),
    float_function("ln", "The natural logarithm.", ("ln(1)", "0.0"), |args, _| float(args, f64::ln)),
    Function::new(
        "log",
        &[X, Param::optional("base", Types::NUMBER)],
        Types::FLOAT,
        "The logarithm to this base, or to 10.",
        ("log(1000)", "3.0"),
        Run::Scalar(log),
    ),
    float_function("sin", "The sine of an angle in radians.", ("sin(0)", "0.0"), |args, _| float(args, f64::sin)),
    float_function("cos", "The cosine of an angle in radians.", ("cos(0)", "1.0"), |args, _| float(args, f64::cos)),
    float_function("tan", "The tangent of an angle in radians.", ("tan(0)", "0.0"), |args, _| float(args, f64::tan)),
    float_function("asin", "The arc sine, in radians.", ("asin(0)", "0.0"), |args, _| float(args, f64::asin)),
    float_function("acos", "The arc cosine, in radians.", ("acos(1)", "0.0"), |args, _| float(args, f64::acos)),
    Function::new(
        "atan",
        &[X, Param::optional("y", Types::NUMBER)],
        Types::FLOAT,
        "The arc tangent in radians; with two arguments that of `x / y` in the quadrant of the point.",
        ("round(atan(1, 1), 4)", "0.7854"),
        Run::Scalar(atan),
    ),
    float_function("sinh", "The hyperbolic sine.", ("sinh(0)", "0.0"), |args, _| float(args, f64::sinh)),
    float_function("cosh", "The hyperbolic cosine.", ("cosh(0)", "1.0"), |args, _| float(args, f64::cosh)),
    float_function("tanh", "The hyperbolic tangent.", ("tanh(0)", "0.0"), |args, _| float(args, f64::tanh)),
    Function::new(
        "hypot",
        &[X, Y],
        Types::FLOAT,
        "The length of the hypotenuse over two sides.",
        ("hypot(3, 4)", "5.0"),
        Run::Scalar(|args, _| two_floats(args, f64::hypot)),
    ),
    float_function("to_radians", "Degrees as radians.", ("round(to_radians(180), 4)", "3.1416"), |args, _| {
        float(args, f64::to_radians)
    }),
    float_function("to_degrees", "Radians as degrees.", ("to_degrees(PI())", "180.0"), |args, _| {
        float(args, f64::to_degrees)
    }),
    Function::new("PI", &[], Types::FLOAT, "The number pi.", ("round(PI(), 5)", "3.14159"), Run::Scalar(pi)),
    Function::new("E", &[], Types::FLOAT, "The number e.", ("round(E(), 5)", "2.71828"), Run::Scalar(e)),
    test_function("is_nan", "Whether this is no number (0.0 / 0.0).", ("is_nan(0.0 / 0.0)", "true"), |args, _| {
        test(args, f64::is_nan)
    }),
    test_function("is_finite", "Whether this is neither infinite nor NaN.", ("is_finite(1.5)", "true"), |args, _| {
        test(args, f64::is_finite)
    }),
    test_function("is_infinite", "Whether this is infinite.", ("is_infinite(1.0 / 0.0)", "true"), |args, _| {
        test(args, f64::is_infinite)
    }),
    test_function("is_zero", "Whether this is 0.", ("is_zero(0.0)", "true"), |args, _| test(args, |x| x == 0.0)),
    Function::new(
        "is_odd",
        &[Param::new("x", Types::INT)],
        Types::BOOL,
        "Whether the int is odd.",
        ("is_odd(3)", "true"),
        Run::Scalar(|args, _| int_test(args, |x| x % 2 != 0)),
    ),
    Function::new(
        "is_even",
        &[Param::new("x", Types::INT)],
        Types::BOOL,
        "Whether the int is even.",
        ("is_even(3)", "false"),
        Run::Scalar(|args, _| int_test(args, |x| x % 2 == 0)),
    ),
    Function::new(
        "geo_distance",
        &[
            Param::new("lat1", Types::NUMBER),
            Param::new("lon1", Types::NUMBER),
            Param::new("lat2", Types::NUMBER),
            Param::new("lon2", Types::NUMBER),
        ],
        Types::FLOAT,
        "Metres between two places given in degrees, along a globe of the mean radius of the earth (haversine).",
        ("round(geo_distance(52.52, 13.405, 48.8566, 2.3522) / 1000)", "877.0"),
        Run::Scalar(geo_distance),
    ),
];

type Result<T> = std::result::Result<T, Fail>;

/// The argument as a float.
fn number(value: Option<&Value<'_>>) -> f64 {
    match value {
        Some(Value::Int(x)) => *x as f64,
        Some(Value::Float(x)) => *x,
        _ => f64::NAN,
    }
}

fn float<'a>(args: &[Value<'a>], of: fn(f64) -> f64) -> Result<Returned<'a>> {
    Ok(Value::Float(of(number(args.first()))).into())
}

fn two_floats<'a>(args: &[Value<'a>], of: fn(f64, f64) -> f64) -> Result<Returned<'a>> {
    Ok(Value::Float(of(number(args.first()), number(args.get(1)))).into())
}

fn test<'a>(args: &[Value<'a>], holds: fn(f64) -> bool) -> Result<Returned<'a>> {
    Ok(Value::Bool(holds(number(args.first()))).into())
}

fn int_test<'a>(args: &[Value<'a>], holds: fn(i64) -> bool) -> Result<Returned<'a>> {
    let [Value::Int(x)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Bool(holds(*x)).into())
}

fn whole<'a>(args: &[Value<'a>], of: fn(f64) -> f64) -> Result<Returned<'a>> {
    Ok(match args {
        [Value::Int(x)] => Value::Int(*x),
        _ => Value::Float(of(number(args.first()))),
    }
    .into())
}

fn abs<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Int(x)] = args else { return float(args, f64::abs) };
    let value = x.checked_abs().ok_or_else(|| Fail::arithmetic(format!("the result for {x} does not fit 64 bits")))?;
    Ok(Value::Int(value).into())
}

fn sign<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let sign = match args {
        [Value::Int(x)] => x.signum(),
        [Value::Float(x)] if x.is_nan() => return Err(Fail::arithmetic("NaN has no sign")),
        [Value::Float(x)] if *x == 0.0 => 0,
        [Value::Float(x)] if *x > 0.0 => 1,
        _ => -1,
    };
    Ok(Value::Int(sign).into())
}

fn round<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let digits = match args.get(1) {
        None => return whole(args, f64::round),
        Some(Value::Int(digits)) => *digits,
        Some(_) => return Ok(Value::Unit.into()),
    };
    let Some(scale) =
        u32::try_from(digits).ok().filter(|digits| *digits <= 15).map(|digits| 10_f64.powi(digits as i32))
    else {
        return Err(Fail::argument(format!("`digits` must be from 0 to 15, it is {digits}")));
    };
    if let Some(Value::Int(x)) = args.first() {
        return Ok(Value::Int(*x).into());
    }
    let x = number(args.first());
    let scaled = x * scale;
    // So far out that there is nothing after the point.
    let rounded = if scaled.is_finite() { scaled.round() / scale } else { x };
    Ok(Value::Float(rounded).into())
}

fn clamp<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [x, least, greatest] = args else { return Ok(Value::Unit.into()) };
    if let (Value::Int(x), Value::Int(least), Value::Int(greatest)) = (x, least, greatest)
        && least <= greatest
    {
        return Ok(Value::Int(*x.max(least).min(greatest)).into());
    }
    let (value, low, high) = (number(Some(x)), number(Some(least)), number(Some(greatest)));
    if low > high || low.is_nan() || high.is_nan() {
        return Err(Fail::argument(format!("`least` ({low:?}) must not be above `greatest` ({high:?})")));
    }
    Ok(if value < low {
        *least
    } else if value > high {
        *greatest
    } else {
        *x
    }
    .into())
}

fn pow<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Int(x), Value::Int(y)] = args else { return two_floats(args, f64::powf) };
    if *y < 0 {
        return Err(Fail::arithmetic(format!("an int to the power of {y} is no int; write pow(to_float({x}), {y})")));
    }
    let power = match (*x, u32::try_from(*y)) {
        (_, Ok(y)) => x.checked_pow(y),
        (0 | 1, Err(_)) => Some(*x),
        (-1, Err(_)) => Some(if y % 2 == 0 { 1 } else { -1 }),
        (_, Err(_)) => None,
    };
    let power = power.ok_or_else(|| Fail::arithmetic(format!("{x} to the power of {y} does not fit 64 bits")))?;
    Ok(Value::Int(power).into())
}

fn modulo<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Int(x), Value::Int(n)] = args else { return Ok(Value::Unit.into()) };
    // -1 divides everything; i64::MIN by it would overflow on the way.
    let rest = if *n == -1 { Some(0) } else { x.checked_rem_euclid(*n) };
    let rest = rest.ok_or_else(|| Fail::arithmetic("`n` is 0"))?;
    Ok(Value::Int(rest).into())
}

fn log<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    if args.len() < 2 { float(args, f64::log10) } else { two_floats(args, f64::log) }
}

fn atan<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    if args.len() < 2 { float(args, f64::atan) } else { two_floats(args, f64::atan2) }
}

fn pi<'a>(_: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    Ok(Value::Float(std::f64::consts::PI).into())
}

fn e<'a>(_: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    Ok(Value::Float(std::f64::consts::E).into())
}

fn geo_distance<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    const EARTH_RADIUS_M: f64 = 6_371_008.8;
    let [lat1, lon1, lat2, lon2] = [0, 1, 2, 3].map(|index| number(args.get(index)));
    for (name, value, bound) in
        [("lat1", lat1, 90.0), ("lon1", lon1, 180.0), ("lat2", lat2, 90.0), ("lon2", lon2, 180.0)]
    {
        if !(-bound..=bound).contains(&value) {
            return Err(Fail::argument(format!("`{name}` must be from -{bound} to {bound}, it is {value:?}")));
        }
    }
    let half_lat = ((lat2 - lat1).to_radians() / 2.0).sin();
    let half_lon = ((lon2 - lon1).to_radians() / 2.0).sin();
    let chord = half_lat * half_lat + lat1.to_radians().cos() * lat2.to_radians().cos() * half_lon * half_lon;
    Ok(Value::Float(2.0 * EARTH_RADIUS_M * chord.min(1.0).sqrt().asin()).into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;
    use crate::expr::codes;

    #[test]
    fn ints_never_wrap() {
        fails("abs", &[Value::Int(i64::MIN)], codes::ARITHMETIC);
        fails("pow", &[Value::Int(3), Value::Int(41)], codes::ARITHMETIC);
        fails("pow", &[Value::Int(2), Value::Int(-1)], codes::ARITHMETIC);
        fails("modulo", &[Value::Int(1), Value::Int(0)], codes::ARITHMETIC);
        gives("modulo", &[Value::Int(i64::MIN), Value::Int(-1)], "0");
        gives("pow", &[Value::Int(-1), Value::Int(i64::MAX)], "-1");
        gives("pow", &[Value::Float(2.0), Value::Int(-1)], "0.5");
    }

    #[test]
    fn rounding_keeps_the_type() {
        gives("round", &[Value::Int(5)], "5");
        gives("round", &[Value::Int(5), Value::Int(2)], "5");
        gives("round", &[Value::Float(-2.5)], "-3.0");
        gives("round", &[Value::Float(1e300), Value::Int(15)], "1e300");
        fails("round", &[Value::Float(1.0), Value::Int(16)], codes::ARGUMENT);
        gives("floor", &[Value::Float(2.5)], "2.0");
        gives("clamp", &[Value::Int(5), Value::Float(0.0), Value::Float(2.5)], "2.5");
        fails("clamp", &[Value::Int(5), Value::Int(2), Value::Int(1)], codes::ARGUMENT);
        fails("geo_distance", &[Value::Int(95), Value::Int(0), Value::Int(0), Value::Int(0)], codes::ARGUMENT);
        fails("sign", &[Value::Float(f64::NAN)], codes::ARITHMETIC);
    }
}

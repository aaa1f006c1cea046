//! Names as words, and which words are verbs in the past tense.

/// The words of a name, in small letters: `PaymentAuthorized`, `payment_authorized` and `HTTPRequestSent` alike.
pub(super) fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let chars: Vec<char> = name.chars().collect();
    let mut start_new = true;
    for (at, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            start_new = true;
            continue;
        }
        let after_small = at > 0 && (chars[at - 1].is_lowercase() || chars[at - 1].is_numeric());
        let before_small = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        // `HTTPRequest`: the last capital begins the next word.
        let begins = c.is_uppercase() && (after_small || (before_small && at > 0 && chars[at - 1].is_uppercase()));
        match words.last_mut().filter(|_| !start_new && !begins) {
            Some(word) => word.extend(c.to_lowercase()),
            None => words.push(c.to_lowercase().collect()),
        }
        start_new = false;
    }
    words
}

/// Whether a word is a verb in the past tense, or a participle.
pub(super) fn is_past(word: &str, taught: &[String]) -> bool {
    taught.iter().any(|taught| taught.eq_ignore_ascii_case(word))
        || IRREGULAR.iter().any(|(_, forms)| forms.iter().any(|form| is_form(word, form)))
        || is_regular(word)
}

/// `rebuilt`, `unsent`, `overpaid`: an irregular verb behind a prefix.
fn is_form(word: &str, form: &str) -> bool {
    let prefix = word.strip_suffix(form);
    prefix.is_some_and(|prefix| prefix.is_empty() || (form.len() > 3 && PREFIXES.contains(&prefix)))
}

const PREFIXES: &[&str] = &["re", "un", "over", "under", "mis", "out", "fore", "with", "pre"];

/// By its ending, where the word is none of those that only end alike.
fn is_regular(word: &str) -> bool {
    let Some(stem) = word.strip_suffix("ed") else { return false };
    let has_vowel = stem.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    let is_eed = stem.ends_with('e') && !EED_VERBS.contains(&word);
    stem.len() >= 2 && has_vowel && !is_eed && !NOT_VERBS.contains(&word)
}

/// Words in `-eed` that are in the past tense; `need`, `feed` and `proceed` are not.
const EED_VERBS: &[&str] = &["agreed", "disagreed", "freed", "guaranteed", "decreed", "refereed", "overseed"];
const NOT_VERBS: &[&str] = &[
    "embed", "hundred", "sacred", "hatred", "kindred", "infrared", "naked", "rugged", "wicked", "biped", "aged",
    "shred", "imbed", "seabed", "testbed",
];

/// Little words behind a verb that belong to it (`LoggedIn`) or begin what is said of it (`ShippedToCustomer`).
pub(super) fn is_particle(word: &str) -> bool {
    const PARTICLES: &[&str] = &[
        "in",
        "out",
        "up",
        "down",
        "on",
        "off",
        "over",
        "away",
        "back",
        "through",
        "to",
        "from",
        "by",
        "for",
        "with",
        "into",
        "at",
        "as",
        "of",
        "again",
        "late",
        "early",
        "twice",
        "manually",
        "automatically",
    ];
    PARTICLES.contains(&word)
}

/// The past participle, if the word is a verb that begins commands: `authorize` is, `payment` is not.
pub(super) fn past_of_command(word: &str) -> Option<String> {
    if let Some((_, forms)) = IRREGULAR.iter().find(|(base, _)| *base == word) {
        return forms.last().map(|form| (*form).to_owned());
    }
    let ends = ["ize", "ise", "ify", "ate"].iter().any(|end| word.len() > end.len() + 2 && word.ends_with(end));
    let known = COMMANDS.contains(&word);
    (known || (ends && !NOUNS.contains(&word))).then(|| regular_past(word))
}

fn regular_past(word: &str) -> String {
    let doubles =
        ["submit", "ship", "drop", "stop", "log", "tag", "flag", "map", "refer", "transfer", "plan", "scan", "swap"];
    match word.strip_suffix('y') {
        _ if word.ends_with('e') => format!("{word}d"),
        _ if doubles.contains(&word) => format!("{word}{}ed", &word[word.len() - 1..]),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ied"),
        _ => format!("{word}ed"),
    }
}

/// Nouns that end like verbs.
const NOUNS: &[&str] = &[
    "certificate",
    "template",
    "candidate",
    "delegate",
    "affiliate",
    "plate",
    "exercise",
    "enterprise",
    "franchise",
    "merchandise",
    "aggregate",
    "estimate",
    "coordinate",
    "size",
    "prize",
    "rate",
    "date",
    "state",
    "update",
];

/// Verbs of commands that no ending tells.
const COMMANDS: &[&str] = &[
    "accept",
    "acknowledge",
    "add",
    "adjust",
    "allocate",
    "apply",
    "approve",
    "archive",
    "assign",
    "attach",
    "block",
    "book",
    "call",
    "cancel",
    "capture",
    "change",
    "charge",
    "check",
    "claim",
    "clear",
    "click",
    "close",
    "collect",
    "commit",
    "complete",
    "confirm",
    "connect",
    "convert",
    "copy",
    "correct",
    "create",
    "decline",
    "delete",
    "deliver",
    "deploy",
    "detect",
    "disable",
    "discard",
    "dispatch",
    "drop",
    "enable",
    "end",
    "enrich",
    "enrol",
    "escalate",
    "execute",
    "expire",
    "export",
    "fetch",
    "fix",
    "flag",
    "flush",
    "grant",
    "handle",
    "import",
    "install",
    "invite",
    "issue",
    "join",
    "launch",
    "load",
    "lock",
    "log",
    "map",
    "mark",
    "merge",
    "move",
    "notify",
    "open",
    "order",
    "pause",
    "pick",
    "place",
    "post",
    "prepare",
    "process",
    "provision",
    "publish",
    "pull",
    "purchase",
    "push",
    "queue",
    "reach",
    "receive",
    "recommend",
    "record",
    "redeem",
    "refund",
    "register",
    "reject",
    "release",
    "remove",
    "rename",
    "renew",
    "replace",
    "reply",
    "report",
    "request",
    "reserve",
    "reset",
    "resolve",
    "restart",
    "restore",
    "resume",
    "retry",
    "return",
    "review",
    "revoke",
    "save",
    "scan",
    "schedule",
    "score",
    "search",
    "settle",
    "share",
    "ship",
    "sign",
    "start",
    "stop",
    "store",
    "submit",
    "subscribe",
    "suspend",
    "swap",
    "sync",
    "tag",
    "test",
    "track",
    "transfer",
    "unlock",
    "unsubscribe",
    "upgrade",
    "upload",
    "use",
    "verify",
    "view",
    "visit",
    "void",
];

/// Irregular verbs: the infinitive, then the past tense and the participle, the latter last.
const IRREGULAR: &[(&str, &[&str])] = &[
    ("arise", &["arose", "arisen"]),
    ("awake", &["awoke", "awoken"]),
    ("be", &["was", "been"]),
    ("bear", &["bore", "borne"]),
    ("beat", &["beaten"]),
    ("become", &["became"]),
    ("begin", &["began", "begun"]),
    ("bend", &["bent"]),
    ("bet", &["bet"]),
    ("bid", &["bade", "bidden", "bid"]),
    ("bind", &["bound"]),
    ("bite", &["bit", "bitten"]),
    ("bleed", &["bled"]),
    ("blow", &["blew", "blown"]),
    ("break", &["broke", "broken"]),
    ("breed", &["bred"]),
    ("bring", &["brought"]),
    ("broadcast", &["broadcast"]),
    ("build", &["built"]),
    ("burn", &["burnt"]),
    ("burst", &["burst"]),
    ("buy", &["bought"]),
    ("cast", &["cast"]),
    ("catch", &["caught"]),
    ("choose", &["chose", "chosen"]),
    ("cling", &["clung"]),
    ("come", &["came"]),
    ("cost", &["cost"]),
    ("creep", &["crept"]),
    ("cut", &["cut"]),
    ("deal", &["dealt"]),
    ("dig", &["dug"]),
    ("do", &["did", "done"]),
    ("draw", &["drew", "drawn"]),
    ("dream", &["dreamt"]),
    ("drink", &["drank", "drunk"]),
    ("drive", &["drove", "driven"]),
    ("eat", &["ate", "eaten"]),
    ("fall", &["fell", "fallen"]),
    ("feed", &["fed"]),
    ("feel", &["felt"]),
    ("fight", &["fought"]),
    ("find", &["found"]),
    ("fit", &["fit"]),
    ("flee", &["fled"]),
    ("fly", &["flew", "flown"]),
    ("forbid", &["forbade", "forbidden"]),
    ("forget", &["forgot", "forgotten"]),
    ("forgive", &["forgave", "forgiven"]),
    ("freeze", &["froze", "frozen"]),
    ("get", &["got", "gotten"]),
    ("give", &["gave", "given"]),
    ("go", &["went", "gone"]),
    ("grind", &["ground"]),
    ("grow", &["grew", "grown"]),
    ("hang", &["hung"]),
    ("have", &["had"]),
    ("hear", &["heard"]),
    ("hide", &["hid", "hidden"]),
    ("hit", &["hit"]),
    ("hold", &["held"]),
    ("hurt", &["hurt"]),
    ("keep", &["kept"]),
    ("know", &["knew", "known"]),
    ("lay", &["laid"]),
    ("lead", &["led"]),
    ("learn", &["learnt"]),
    ("leave", &["left"]),
    ("lend", &["lent"]),
    ("let", &["let"]),
    ("light", &["lit"]),
    ("lose", &["lost"]),
    ("make", &["made"]),
    ("mean", &["meant"]),
    ("meet", &["met"]),
    ("outbid", &["outbid"]),
    ("pay", &["paid"]),
    ("prove", &["proven"]),
    ("put", &["put"]),
    ("quit", &["quit"]),
    ("read", &["read"]),
    ("rid", &["rid"]),
    ("ride", &["rode", "ridden"]),
    ("ring", &["rang", "rung"]),
    ("rise", &["rose", "risen"]),
    ("run", &["ran"]),
    ("say", &["said"]),
    ("see", &["saw", "seen"]),
    ("seek", &["sought"]),
    ("sell", &["sold"]),
    ("send", &["sent"]),
    ("set", &["set"]),
    ("sew", &["sewn"]),
    ("shake", &["shook", "shaken"]),
    ("shed", &["shed"]),
    ("shine", &["shone"]),
    ("shoot", &["shot"]),
    ("show", &["shown"]),
    ("shrink", &["shrank", "shrunk"]),
    ("shut", &["shut"]),
    ("sing", &["sang", "sung"]),
    ("sink", &["sank", "sunk"]),
    ("sit", &["sat"]),
    ("sleep", &["slept"]),
    ("slide", &["slid"]),
    ("speak", &["spoke", "spoken"]),
    ("speed", &["sped"]),
    ("spend", &["spent"]),
    ("spin", &["spun"]),
    ("split", &["split"]),
    ("spread", &["spread"]),
    ("stand", &["stood"]),
    ("steal", &["stole", "stolen"]),
    ("stick", &["stuck"]),
    ("strike", &["struck", "stricken"]),
    ("swear", &["sworn"]),
    ("sweep", &["swept"]),
    ("swim", &["swam", "swum"]),
    ("swing", &["swung"]),
    ("take", &["took", "taken"]),
    ("teach", &["taught"]),
    ("tear", &["tore", "torn"]),
    ("tell", &["told"]),
    ("think", &["thought"]),
    ("throw", &["threw", "thrown"]),
    ("understand", &["understood"]),
    ("upset", &["upset"]),
    ("wake", &["woke", "woken"]),
    ("wear", &["wore", "worn"]),
    ("weave", &["wove", "woven"]),
    ("win", &["won"]),
    ("wind", &["wound"]),
    ("write", &["wrote", "written"]),
];

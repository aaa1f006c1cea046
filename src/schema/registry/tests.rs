//! Registries without a real server: what is kept of answers, references, a folder, and how a server that is in trouble is asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::cache::Cached;
use super::*;

fn avro(text: &str) -> Registered {
    Registered { language: Language::Avro, text: text.into(), links: Vec::new() }
}

fn link(name: &str, subject: &str, version: u32) -> Link {
    Link { name: name.into(), subject: subject.into(), version }
}

/// A server that can go away, and counts its questions.
#[derive(Default)]
struct Fake {
    is_away: AtomicBool,
    asked: AtomicUsize,
    text: std::sync::Mutex<String>,
}

impl Fake {
    fn answer(&self) -> Result<Registered, RegistryError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(RegistryError::new(ErrorKind::Away, "it is away"));
        }
        Ok(avro(&self.text.lock().unwrap()))
    }
}

impl Shelf for &Fake {
    fn by_id(&self, _id: u32) -> Result<Registered, RegistryError> {
        self.answer()
    }
    fn entry(&self, subject: &str, wanted: Wanted) -> Result<Entry, RegistryError> {
        let version = if let Wanted::Number(number) = wanted { number } else { 3 };
        Ok(Entry { subject: subject.into(), version, id: 17, schema: self.answer()? })
    }
    fn versions(&self, _subject: &str) -> Result<Vec<u32>, RegistryError> {
        self.answer().map(|_| vec![3])
    }
    fn lookup(&self, subject: &str, schema: &Registered) -> Result<Option<Entry>, RegistryError> {
        self.answer()?;
        Ok(Some(Entry { subject: subject.into(), version: 3, id: 17, schema: schema.clone() }))
    }
    fn register(&self, _subject: &str, _schema: &Registered) -> Result<u32, RegistryError> {
        self.answer().map(|_| 17)
    }
    fn check(&self, _subject: &str, _schema: &Registered) -> Result<Verdict, RegistryError> {
        self.answer().map(|_| Verdict { is_compatible: true, reasons: Vec::new() })
    }
    fn level(&self, _subject: &str) -> Result<String, RegistryError> {
        self.answer().map(|_| "NONE".into())
    }
}

fn fake(text: &str) -> Fake {
    Fake { text: std::sync::Mutex::new(text.into()), ..Fake::default() }
}

fn cached<'a>(fake: &'a Fake, folder: &std::path::Path) -> Cached<&'a Fake> {
    Cached::new(fake, folder, "http://host/", "http://host".into())
}

#[test]
fn what_has_been_seen_is_there_while_the_registry_is_away() {
    let (fake, folder) = (fake("\"int\""), tempfile::tempdir().unwrap());
    let first = cached(&fake, folder.path());
    assert_eq!(&*first.by_id(17).unwrap().text, "\"int\"");
    assert_eq!(first.entry("s", Wanted::Latest).unwrap().version, 3);
    first.entry("s", Wanted::Number(2)).unwrap();
    assert_eq!(first.register("s", &avro("\"int\"")).unwrap(), 17);
    assert!(first.take_notes().is_empty());
    fake.is_away.store(true, Ordering::SeqCst);
    let later = cached(&fake, folder.path());
    let asked = fake.asked.load(Ordering::SeqCst);
    assert_eq!(&*later.by_id(17).unwrap().text, "\"int\"");
    assert_eq!(later.entry("s", Wanted::Number(2)).unwrap().version, 2);
    assert_eq!(fake.asked.load(Ordering::SeqCst), asked, "what never changes is not asked for again");
    assert_eq!(later.entry("s", Wanted::Latest).unwrap().version, 3);
    let notes = later.take_notes();
    assert!(
        notes.len() == 1 && notes[0].contains("it is away; version 3 of `s` is used, which was the newest at 20"),
        "{notes:?}"
    );
    assert_eq!(later.register("s", &avro("\"int\"")).unwrap(), 17, "it was taken before");
    assert!(later.by_id(18).is_err() && later.entry("t", Wanted::Latest).is_err());
    assert!(later.register("s", &avro("\"long\"")).is_err());
}

#[test]
fn a_kept_answer_that_was_changed_is_asked_for_again() {
    let (fake, folder) = (fake("\"int\""), tempfile::tempdir().unwrap());
    let cache = cached(&fake, folder.path());
    cache.by_id(17).unwrap();
    let registry = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let path = registry.join("ids/17.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for broken in [text.replace("int", "long"), text[..text.len() / 2].to_owned(), String::new(), "{}".into()] {
        std::fs::write(&path, broken).unwrap();
        assert_eq!(&*cache.by_id(17).unwrap().text, "\"int\"");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it is mended");
    assert_eq!(std::fs::read_to_string(registry.join("url")).unwrap(), "http://host\n");
}

#[test]
fn a_registry_that_was_made_anew_is_noticed() {
    let (fake, folder) = (fake("\"int\""), tempfile::tempdir().unwrap());
    let cache = cached(&fake, folder.path());
    cache.by_id(17).unwrap();
    *fake.text.lock().unwrap() = "\"string\"".into();
    cache.entry("s", Wanted::Latest).unwrap();
    assert!(cache.take_notes()[0].contains("was made anew"));
    assert_eq!(&*cache.by_id(17).unwrap().text, "\"string\"");
}

#[test]
fn a_cache_that_cannot_be_written_is_told_and_stops_nobody() {
    let (fake, folder) = (fake("\"int\""), tempfile::tempdir().unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let cache = cached(&fake, &file);
    assert!(cache.by_id(17).is_ok());
    assert!(cache.take_notes()[0].contains("cannot be written"));
}

#[test]
fn references_come_before_what_refers_to_them() {
    let with = |links: Vec<Link>, text: &str| Registered { links, ..avro(text) };
    let root = with(vec![link("B", "b", 1), link("C", "c", 1)], "a");
    let fetch = |link: &Link| {
        Ok(match link.subject.as_str() {
            "b" => with(vec![self::link("C", "c", 1)], "b"),
            "c" => with(Vec::new(), "c"),
            "round" => with(vec![self::link("R", "round", 1)], "r"),
            "deep" => with(vec![self::link(&format!("D{}", link.version), "deep", link.version + 1)], "d"),
            "torn" => with(vec![self::link("C", "c", 2)], "t"),
            other => return Err(RegistryError::unknown(format!("no `{other}`"))),
        })
    };
    let resolved = references::resolve(&root, &fetch).unwrap();
    let names: Vec<_> = resolved.references.iter().map(|found| (&*found.name, &*found.text)).collect();
    assert_eq!(names, [("C", "c"), ("B", "b")], "each once");
    let why = |links| references::resolve(&with(links, "a"), &fetch).unwrap_err().message;
    assert!(why(vec![link("R", "round", 1)]).contains("refers back to itself"));
    assert!(why(vec![link("D", "deep", 1)]).contains("more than 32 deep"));
    assert!(why(vec![link("C", "c", 1), link("T", "torn", 1)]).contains("by the name `C`"));
    assert!(why(vec![link("X", "x", 1)]).contains("`X`, which the schema refers to: no `x`"));
    let many = (0..=crate::limits::REFERENCES_MAX).map(|i| link(&format!("N{i}"), "c", 1)).collect();
    assert!(why(many).contains("more than 256 others"));
}

fn folder_at(path: &std::path::Path) -> Registry {
    let settings = Settings {
        place: Place::Folder(path.to_path_buf()),
        login: Login::None,
        tls: Tls::default(),
        cache: None,
        timeout: Duration::from_secs(1),
    };
    Registry::open(&settings).unwrap()
}

#[test]
fn a_folder_is_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder_at(folder.path());
    assert_eq!(registry.entry("s", Wanted::Latest).unwrap_err().kind, ErrorKind::Unknown);
    let first = avro(r#"{"type":"record","name":"A","fields":[]}"#);
    assert_eq!(registry.register("s", &first).unwrap(), 1);
    let spaced = avro(r#"{ "name": "A", "type": "record", "fields": [] }"#);
    assert_eq!(registry.register("s", &spaced).unwrap(), 1, "the same schema");
    assert_eq!(registry.register("other/s", &spaced).unwrap(), 1, "one number for one schema");
    let second = avro(r#"{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":1}]}"#);
    assert_eq!(registry.register("s", &second).unwrap(), 2);
    let again = folder_at(folder.path());
    assert_eq!(again.versions("s").unwrap(), [1, 2]);
    assert_eq!(again.entry("s", Wanted::Latest).unwrap().id, 2);
    assert_eq!(again.entry("s", Wanted::Number(1)).unwrap().schema, first);
    assert_eq!(again.lookup("s", &second).unwrap().unwrap().version, 2);
    assert_eq!(again.lookup("other/s", &second).unwrap(), None);
    assert_eq!(again.schema(2).unwrap().text, second.text);
    assert!(again.schema(3).unwrap_err().message.contains("has no schema 3"));
    assert!(again.entry("s", Wanted::Number(9)).unwrap_err().message.contains("its newest is 2"));
    std::fs::write(folder.path().join("subjects/s/1.avsc"), "\"int\"").unwrap();
    assert!(again.schema(1).unwrap_err().message.contains("a version never changes"));
}

#[test]
fn a_folder_keeps_files_of_several_messages() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder_at(folder.path());
    let file = |field: &str| {
        let text = format!("syntax = \"proto3\"; message Other {{}} message Seen {{ {field} id = 1; }}");
        Registered { language: Language::Protobuf, text: text.into(), links: Vec::new() }
    };
    assert_eq!(registry.register("seen", &file("string")).unwrap(), 1);
    // All messages are compared, whichever of them events are.
    let refused = registry.register("seen", &file("double")).unwrap_err();
    assert!(refused.kind == ErrorKind::Refused && refused.message.contains("Seen"), "{refused}");
}

#[test]
fn an_index_that_leads_out_of_its_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["../x.avsc", "/etc/passwd", "a/../../b"] {
        let index = serde_json::json!({ "schemas": [
            { "id": 1, "subject": "s", "version": 1, "schemaType": "AVRO", "file": file, "check": "" }
        ] });
        std::fs::write(folder.path().join("registry.json"), index.to_string()).unwrap();
        assert!(folder_at(folder.path()).schema(1).unwrap_err().message.contains("no file below"), "{file}");
    }
    std::fs::write(folder.path().join("registry.json"), "{").unwrap();
    assert!(folder_at(folder.path()).versions("s").unwrap_err().message.contains("registry.json cannot be used"));
}

/// A server that gives these answers, a connection each, and then what it was asked.
fn server(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        answers
            .into_iter()
            .map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push_str(&line);
                }
                reader.take(length).read_to_end(&mut Vec::new()).unwrap();
                // Whoever has enough of an answer may have gone.
                let _ = stream.write_all(answer.as_bytes());
                head
            })
            .collect()
    });
    (url, thread)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn remote(url: &str, login: Login) -> Registry {
    let place = Place::Url(url.into());
    Registry::open(&Settings { place, login, tls: Tls::default(), cache: None, timeout: Duration::from_millis(800) })
        .unwrap()
}

#[test]
fn a_registry_in_trouble_is_asked_again_and_says_how_long_to_wait() {
    let good = http("200 OK", r#"{"schema":"\"int\""}"#);
    let busy =
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned();
    let (url, thread) = server(vec![http("503 Service Unavailable", ""), busy, good]);
    let begin = Instant::now();
    let token = Login::Bearer(Credential::new(|| Ok("t0ken".into())));
    assert_eq!(&*remote(&url, token).schema(7).unwrap().text, "\"int\"");
    assert!(begin.elapsed() > Duration::from_millis(1_100), "both pauses");
    let heads = thread.join().unwrap();
    assert!(heads.iter().all(|head| head.starts_with("GET /schemas/ids/7 ")), "{heads:?}");
    assert!(heads[0].to_ascii_lowercase().contains("authorization: bearer t0ken"), "{heads:?}");
}

#[test]
fn a_login_is_sent_as_it_must_be_and_told_to_nobody() {
    let (url, thread) = server(vec![http("401 Unauthorized", r#"{"error_code":401,"message":"who?"}"#)]);
    let login = Login::Basic { user: "Aladdin".into(), password: Credential::new(|| Ok("open sesame".into())) };
    let error = remote(&url, login).level("s").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("HTTP 401: who?") && error.message.contains("check the secret"), "{error}");
    assert!(!error.message.contains("sesame"));
    let head = &thread.join().unwrap()[0];
    assert!(head.contains("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "{head}");
    let bad = Login::Bearer(Credential::new(|| Ok("two\nlines".into())));
    let error = remote("http://127.0.0.1:1", bad).level("s").unwrap_err();
    assert!(error.message.contains("no header can have") && !error.message.contains("lines"), "{error}");
}

#[test]
fn what_is_no_answer_of_a_registry_is_told() {
    let long = http("200 OK", &"x".repeat(crate::limits::REGISTRY_ANSWER_BYTES_MAX as usize + 1));
    let cases = [
        (http("200 OK", "<html>"), ErrorKind::Broken, "is no schema registry"),
        (http("404 Not Found", "nothing here"), ErrorKind::Broken, "is no schema registry"),
        (http("200 OK", "{}"), ErrorKind::Unusable, "it has no `schema`"),
        (http("200 OK", r#"{"schema":"x","schemaType":"XSD"}"#), ErrorKind::Unusable, "its language is `XSD`"),
        (http("200 OK", r#"{"schema":"x","references":{}}"#), ErrorKind::Unusable, "no list"),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://else\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            ErrorKind::Broken,
            "`http://else`",
        ),
        (long, ErrorKind::Unusable, "no schema is that large"),
    ];
    for (answer, kind, words) in cases {
        let (url, thread) = server(vec![answer]);
        let error = remote(&url, Login::None).schema(7).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words) && error.message.contains(&url), "{error}");
        thread.join().unwrap();
    }
}

#[test]
fn a_registry_that_is_silent_or_not_there_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let error = remote(&format!("http://{address}"), Login::None).schema(7).unwrap_err();
    assert!(error.is_away() && error.message.contains("no answer within 800ms"), "{error}");
    drop(listener);
    let error = remote(&format!("http://{address}"), Login::None).schema(7).unwrap_err();
    assert!(error.is_away() && error.message.contains("check that it runs"), "{error}");
}

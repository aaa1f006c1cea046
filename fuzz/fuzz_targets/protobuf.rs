//! Bytes as a Protobuf message of one of two files with every feature. Whatever is demanded, the verdict is the same; what is good to us is
//! good to prost-reflect, and the other way round but for what it does not look at; and what was read is, written and read again, the same.
#![no_main]

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use protox::file::{File, FileResolver, GoogleFileResolver};
use topology_runner::event::decode::{Decoder, Format};
use topology_runner::event::encode::{Encoder, Format as Output, encode_json};
use topology_runner::event::packed::Wire;
use topology_runner::event::protobuf::{ProtobufEncoding, ProtobufFormat, Types};
use topology_runner::schema::protobuf::Model;
use topology_runner_fuzz::{Verdict, chunk, decode, layout, surroundings};

/// Demands from nothing to everything.
const DEMANDS: [&[&str]; 4] = [
    &[],
    &[""],
    &["a_double", "a_uint64", "a_string", "some_bytes", "kind", "inner", "ints", "counts", "text", "at", "any", "id", "part", "packed"],
    &["inner.inner.name", "message.more", "object.key", "by_number.1.name", "wrapped", "took", "part.b", "before.name", "inner.more"],
];

struct Sample {
    types: Arc<Types>,
    descriptor: MessageDescriptor,
}

struct Text(&'static str);

impl FileResolver for Text {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == "sample.proto" { File::from_source(name, self.0) } else { GoogleFileResolver::new().open_file(name) }
    }
}

fn sample(text: &'static str) -> Sample {
    let model = Model::parse("sample.proto", text, Rc::new(|_| Ok(None)), None).expect("the sample is good");
    let mut compiler = protox::Compiler::with_file_resolver(Text(text));
    compiler.include_imports(true).open_file("sample.proto").expect("the sample is good");
    let descriptor = compiler.descriptor_pool().get_message_by_name(&model.root().full_name).expect("it is there");
    Sample { types: Arc::new(model.types()), descriptor }
}

static SAMPLES: LazyLock<[Sample; 2]> = LazyLock::new(|| {
    [
        sample(include_str!("../../src/event/protobuf/everything.proto")),
        sample(include_str!("../../src/event/protobuf/old.proto")),
    ]
});

/// What prost-reflect does not look at: times, required fields, the wire types of maps; and levels are counted otherwise.
fn is_stricter(message: &str) -> bool {
    ["out of the range", "required field", "expected a length", "a group without its end", "nested"]
        .iter()
        .any(|why| message.contains(why))
}

fuzz_target!(|input: (bool, &[u8])| {
    let (old, event) = input;
    let sample = &SAMPLES[usize::from(old)];
    let format = Arc::new(ProtobufFormat::new(Wire::Raw, sample.types.clone()));
    let mut verdicts = Vec::new();
    let mut whole = None;
    for paths in DEMANDS {
        let paths = paths.iter().map(|path| path.split('.').filter(|name| !name.is_empty()).map(Arc::from).collect());
        let mut decoder = Decoder::new(Format::Packed(format.clone()), Arc::new(layout(paths)), "fuzz".into(), 64);
        for chunk in surroundings(event) {
            let (batch, mut verdict) = decode(&mut decoder, &chunk);
            verdicts.push(match verdict.remove(0) {
                Verdict::Row(row) => {
                    let mut json = Vec::new();
                    encode_json(&batch, row, &mut json).expect("what was read can be written");
                    assert!(*whole.get_or_insert_with(|| json.clone()) == json, "the whole is the same");
                    None
                }
                Verdict::Refused { code, message } => Some((code, message)),
            });
        }
    }
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}");
    let theirs = DynamicMessage::decode(sample.descriptor.clone(), event);
    match (&verdicts[0], theirs) {
        (None, Ok(_)) | (Some(_), Err(_)) => {}
        // Deeper than it goes.
        (None, Err(error)) => assert!(error.to_string().contains("recursion"), "only good to us: {error}"),
        (Some((_, message)), Ok(_)) => assert!(is_stricter(message), "only good to prost-reflect: {message}"),
    }
    let Some(json) = whole else { return };
    let encoding = Arc::new(ProtobufEncoding::raw(sample.types.clone()));
    let mut decoder = Decoder::new(Format::Json, Arc::new(layout([])), "fuzz".into(), 128);
    let (batch, _) = decode(&mut decoder, &chunk([&json[..]]));
    let (mut out, mut ends, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    Encoder::new(Output::Packed(encoding), None).encode(&batch, false, &mut out, &mut ends, &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
    let mut decoder = Decoder::new(Format::Packed(format), Arc::new(layout([])), "fuzz".into(), 128);
    let (batch, _) = decode(&mut decoder, &chunk([&out[..]]));
    let mut again = Vec::new();
    encode_json(&batch, 0, &mut again).expect("what was read can be written");
    assert_eq!(String::from_utf8_lossy(&json), String::from_utf8_lossy(&again));
});

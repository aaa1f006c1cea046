use super::*;

const CODECS: [Codec; 4] = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard];

fn head(codec: Codec) -> FileHead {
    FileHead { schema: "\"null\"".to_owned(), codec, marker: *b"0123456789abcdef" }
}

#[test]
fn what_is_written_is_read() {
    for codec in CODECS {
        let (head, mut bytes) = (head(codec), Vec::new());
        head.write(&mut bytes);
        let start = bytes.len();
        head.write_block(3, b"one two two two two two", &mut bytes).unwrap();
        for cut in 0..start {
            assert_eq!(FileHead::read(&bytes[..cut]), Err(Trouble::Partly), "{cut}");
        }
        assert_eq!(FileHead::read(&bytes), Ok((head.clone(), start)));
        for cut in start..bytes.len() {
            assert_eq!(head.block(&bytes[..cut], start, 100).unwrap_err().0, Trouble::Partly, "{cut}");
        }
        let block = head.block(&bytes, start, 100).unwrap();
        assert_eq!((block.events, block.end), (3, bytes.len()));
        let mut plain = b"x".to_vec();
        codec.unpack(&bytes[block.data.clone()], 100, &mut plain).unwrap();
        assert_eq!(plain, b"xone two two two two two");
        let why = codec.unpack(&bytes[block.data], 22, &mut Vec::new()).unwrap_err();
        assert_eq!(why, "it has more than 22 bytes uncompressed");
    }
}

#[test]
fn no_codec_trusts_its_data() {
    let noise: Vec<u8> = (0..200_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for codec in &CODECS[1..] {
        for cut in 0..noise.len() {
            let _ = codec.unpack(&noise[cut..], 1 << 20, &mut Vec::new());
        }
    }
    // Four gigabytes, in nine bytes.
    let why = Codec::Snappy.unpack(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0], usize::MAX, &mut Vec::new());
    assert!(why.unwrap_err().contains("5 bytes that claim to be 4294967295"));
}

#[test]
fn what_is_no_container_is_told() {
    let why = |bytes: &[u8]| match FileHead::read(bytes) {
        Err(Trouble::Bad(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(b"{\"a\": 1}").ends_with("found 7b 22 61 22; this looks like JSON"));
    assert!(why(b"Obj\x01\0............ ....").contains("no `avro.schema`"));
    let mut bytes = Vec::new();
    head(Codec::Null).write(&mut bytes);
    let other = bytes.windows(4).position(|four| four == b"null").unwrap();
    let name = bytes.iter().rposition(|byte| *byte == b'n').unwrap();
    assert!(name > other);
    bytes[name..name + 4].copy_from_slice(b"lzma");
    assert!(why(&bytes).starts_with("its codec is `lzma`, which is not read"));
    // What is said does not depend on how few bytes come first.
    assert_eq!(FileHead::read(b"{\"a"), Err(Trouble::Partly));
    // A map of 2^60 entries, and a text of as many bytes.
    let mut endless = b"Obj\x01".to_vec();
    read::write_long(&mut endless, 1 << 60);
    assert_eq!(FileHead::read(&endless), Err(Trouble::Partly));
    read::write_long(&mut endless, 1 << 60);
    endless.resize(AVRO_HEAD_BYTES_MAX, 0);
    assert!(why(&endless).contains("its head has more than"));
}

#[test]
fn no_number_before_a_block_is_believed() {
    let head = head(Codec::Null);
    let block = |events: i64, size: i64| {
        let mut bytes = Vec::new();
        read::write_long(&mut bytes, events);
        read::write_long(&mut bytes, size);
        bytes.extend_from_slice(&[0; 64]);
        match head.block(&bytes, 0, 1000) {
            Err((Trouble::Bad(why), _)) => why,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(block(-1, 1), "it claims to have -1 events");
    assert_eq!(block(1, -1), "it claims to have -1 bytes, and at most 1000 are read");
    assert_eq!(block(1, 1 << 60), format!("it claims to have {} bytes, and at most 1000 are read", 1_u64 << 60));
    assert_eq!(block(1 << 60, 9), "the file's marker does not follow its 9 bytes");
}

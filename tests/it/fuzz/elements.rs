//! BSON taken apart into elements and put together again, with the lengths that belong to it: for changes that leave a
//! document sound enough to be looked into.

/// One element; its value is bytes unless it is a document or an array.
#[derive(Debug, Clone)]
pub struct Element {
    /// Type byte.
    pub tag: u8,
    /// Name, without its zero.
    pub key: Vec<u8>,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone)]
pub enum Value {
    /// As it stands.
    Bytes(Vec<u8>),
    /// Document or array.
    Elements(Vec<Element>),
}

/// Elements of a document; as many as can be told, when it is damaged.
pub fn parse(document: &[u8]) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut rest = document.get(4..document.len().saturating_sub(1)).unwrap_or_default();
    while let Some((element, behind)) = element(rest) {
        elements.push(element);
        rest = behind;
    }
    elements
}

/// A document of these elements.
pub fn write(elements: &[Element]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for Element { tag, key, value } in elements {
        bytes.push(*tag);
        bytes.extend(key.iter().map(|byte| if *byte == 0 { b'0' } else { *byte }));
        bytes.push(0);
        match value {
            Value::Bytes(value) => bytes.extend(value),
            Value::Elements(inner) => bytes.extend(write(inner)),
        }
    }
    bytes.push(0);
    let length = i32::try_from(bytes.len()).expect("small documents");
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn element(bytes: &[u8]) -> Option<(Element, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (key, rest) = (rest[..end].to_vec(), &rest[end + 1..]);
    let (value, rest) = rest.split_at_checked(size(tag, rest)?)?;
    let value = match tag {
        0x03 | 0x04 if value.len() > 4 => Value::Elements(parse(value)),
        _ => Value::Bytes(value.to_vec()),
    };
    Some((Element { tag, key, value }, rest))
}

fn size(tag: u8, rest: &[u8]) -> Option<usize> {
    let prefix = || Some(usize::try_from(i32::from_le_bytes(*rest.first_chunk()?)).ok()?.min(rest.len()));
    Some(match tag {
        0x06 | 0x0a | 0x7f | 0xff => 0,
        0x08 => 1,
        0x10 => 4,
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x07 => 12,
        0x13 => 16,
        0x03 | 0x04 | 0x0f => prefix()?,
        0x02 | 0x0d | 0x0e => prefix()? + 4,
        0x05 => prefix()? + 5,
        0x0c => prefix()? + 16,
        0x0b => {
            let pattern = rest.iter().position(|byte| *byte == 0)? + 1;
            pattern + rest.get(pattern..)?.iter().position(|byte| *byte == 0)? + 1
        }
        _ => return None,
    })
}

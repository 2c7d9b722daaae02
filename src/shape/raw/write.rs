//! Writes raw BSON, for values that are read back from columns.

use super::Value;

/// Builds one document; values of open documents go to the innermost one.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    open: Vec<usize>,
}

impl Writer {
    /// Starts the outermost document.
    pub fn new() -> Self {
        Self { bytes: vec![0; 4], open: vec![0] }
    }

    /// Opens a document under `key`.
    pub fn open_document(&mut self, key: &str) {
        self.open(0x03, key);
    }

    /// Opens an array under `key`; its elements' keys are up to the caller.
    pub fn open_array(&mut self, key: &str) {
        self.open(0x04, key);
    }

    fn open(&mut self, tag: u8, key: &str) {
        self.key(tag, key);
        self.open.push(self.bytes.len());
        self.bytes.extend([0; 4]);
    }

    /// Closes the innermost document or array.
    pub fn close(&mut self) {
        if let Some(start) = self.open.pop() {
            self.bytes.push(0);
            let length = (self.bytes.len() - start) as u32;
            if let Some(prefix) = self.bytes.get_mut(start..start + 4) {
                prefix.copy_from_slice(&length.to_le_bytes());
            }
        }
    }

    /// Closes everything that is open; complete BSON.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.bytes
    }

    fn key(&mut self, tag: u8, key: &str) {
        self.bytes.push(tag);
        self.bytes.extend(key.as_bytes());
        self.bytes.push(0);
    }

    fn string(&mut self, text: &str) {
        self.bytes.extend((text.len() as u32 + 1).to_le_bytes());
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// Appends `value` under `key`.
    pub fn append(&mut self, key: &str, value: Value<'_>) {
        match value {
            Value::Double(x) => {
                self.key(0x01, key);
                self.bytes.extend(x.to_le_bytes());
            }
            Value::String(text) => {
                self.key(0x02, key);
                self.string(text);
            }
            Value::Document(inner) | Value::Array(inner) => {
                self.open(if matches!(value, Value::Array(_)) { 0x04 } else { 0x03 }, key);
                self.bytes.extend(inner.body);
                self.close();
            }
            Value::Binary { subtype, bytes } => {
                self.key(0x05, key);
                let inner = if subtype == 2 { 4 } else { 0 };
                self.bytes.extend((bytes.len() as u32 + inner).to_le_bytes());
                self.bytes.push(subtype);
                if subtype == 2 {
                    self.bytes.extend((bytes.len() as u32).to_le_bytes());
                }
                self.bytes.extend(bytes);
            }
            Value::Undefined => self.key(0x06, key),
            Value::ObjectId(id) => {
                self.key(0x07, key);
                self.bytes.extend(id);
            }
            Value::Boolean(b) => {
                self.key(0x08, key);
                self.bytes.push(u8::from(b));
            }
            Value::Date(ms) => {
                self.key(0x09, key);
                self.bytes.extend(ms.to_le_bytes());
            }
            Value::Null => self.key(0x0a, key),
            Value::Regex { pattern, options } => {
                self.key(0x0b, key);
                for part in [pattern, options] {
                    self.bytes.extend(part.as_bytes());
                    self.bytes.push(0);
                }
            }
            Value::DbPointer { namespace, id } => {
                self.key(0x0c, key);
                self.string(namespace);
                self.bytes.extend(id);
            }
            Value::Code(code) => {
                self.key(0x0d, key);
                self.string(code);
            }
            Value::Symbol(symbol) => {
                self.key(0x0e, key);
                self.string(symbol);
            }
            Value::CodeWithScope { code, scope } => {
                self.key(0x0f, key);
                let start = self.bytes.len();
                self.bytes.extend([0; 4]);
                self.string(code);
                self.bytes.extend((scope.body.len() as u32 + 5).to_le_bytes());
                self.bytes.extend(scope.body);
                self.open.push(start);
                self.close();
            }
            Value::Int32(i) => {
                self.key(0x10, key);
                self.bytes.extend(i.to_le_bytes());
            }
            Value::Timestamp { seconds, increment } => {
                self.key(0x11, key);
                self.bytes.extend((u64::from(seconds) << 32 | u64::from(increment)).to_le_bytes());
            }
            Value::Int64(i) => {
                self.key(0x12, key);
                self.bytes.extend(i.to_le_bytes());
            }
            Value::Decimal(bytes) => {
                self.key(0x13, key);
                self.bytes.extend(bytes);
            }
            Value::MinKey => self.key(0xff, key),
            Value::MaxKey => self.key(0x7f, key),
        }
    }
}

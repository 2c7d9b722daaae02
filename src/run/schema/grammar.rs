//! Reads back what Athena would: the grammar of catalog types and of `CREATE EXTERNAL TABLE`. For tests.

use std::collections::HashSet;

/// A type of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// By its name.
    Primitive(String),
    /// Digits, and digits after the point.
    Decimal(u8, u8),
    /// Of one type.
    Array(Box<Type>),
    /// Keys are primitive.
    Map(Box<Type>, Box<Type>),
    /// At least one child; names differ, whatever their case.
    Struct(Vec<(String, Type)>),
}

impl Type {
    /// Reads a type as it stands in a catalog.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let kind = parser.kind()?;
        if parser.rest.is_empty() { Ok(kind) } else { Err(parser.expected("the end")) }
    }
}

/// A column as the statement declares it.
#[derive(Debug)]
pub struct Declared {
    pub name: String,
    pub kind: Type,
    /// Empty: none.
    pub comment: String,
}

/// A `CREATE EXTERNAL TABLE`.
#[derive(Debug)]
pub struct Statement {
    pub database: String,
    pub table: String,
    pub columns: Vec<Declared>,
    pub partition_keys: Vec<String>,
    /// Name and value, in their order; no name twice.
    pub properties: Vec<(String, String)>,
}

impl Statement {
    /// Reads a whole statement.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        parser.token("CREATE EXTERNAL TABLE")?;
        let database = parser.quoted_name()?;
        parser.token(".")?;
        let table = parser.quoted_name()?;
        parser.token("(")?;
        let mut columns = Vec::new();
        loop {
            let (name, kind) = (parser.quoted_name()?, parser.kind()?);
            let comment = if parser.take("COMMENT") { parser.literal()? } else { String::new() };
            columns.push(Declared { name, kind, comment });
            if !parser.take(",") {
                break;
            }
        }
        parser.token(")")?;
        let mut partition_keys = Vec::new();
        if parser.take("PARTITIONED BY (") {
            loop {
                partition_keys.push(parser.quoted_name()?);
                parser.token("string")?;
                if !parser.take(",") {
                    break;
                }
            }
            parser.token(")")?;
        }
        parser.token("STORED AS PARQUET")?;
        parser.token("LOCATION")?;
        parser.literal()?;
        parser.token("TBLPROPERTIES (")?;
        let mut properties: Vec<(String, String)> = Vec::new();
        loop {
            let name = parser.literal()?;
            parser.token("=")?;
            if properties.iter().any(|(other, _)| *other == name) {
                return Err(format!("two properties are named {name}"));
            }
            properties.push((name, parser.literal()?));
            if !parser.take(",") {
                break;
            }
        }
        parser.token(");")?;
        if parser.rest.trim().is_empty() {
            Ok(Self { database, table, columns, partition_keys, properties })
        } else {
            Err(parser.expected("the end"))
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn expected(&self, what: &str) -> String {
        format!("expected {what} at `{}`", self.rest.chars().take(60).collect::<String>())
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.expected(token)) }
    }

    fn while_in(&mut self, allowed: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c: char| !allowed(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Letters, digits, `_` and `.`: all that readers of types agree on.
    fn bare_name(&mut self) -> Result<String, String> {
        match self.while_in(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
            "" => Err(self.expected("a name")),
            name => Ok(name.to_owned()),
        }
    }

    fn quoted_name(&mut self) -> Result<String, String> {
        self.token("`")?;
        let name = self.bare_name()?;
        self.token("`")?;
        Ok(name)
    }

    /// A string between apostrophes with backslash escapes.
    fn literal(&mut self) -> Result<String, String> {
        self.token("'")?;
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next() {
                Some('\'') => break,
                Some('\\') => text.extend(chars.next()),
                Some(c) => text.push(c),
                None => return Err(self.expected("the end of a string")),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    fn number(&mut self) -> Result<u8, String> {
        let expected = self.expected("a number");
        self.while_in(|c| c.is_ascii_digit()).parse().map_err(|_| expected)
    }

    fn kind(&mut self) -> Result<Type, String> {
        self.rest = self.rest.trim_start();
        let word = self.while_in(|c| c.is_ascii_lowercase());
        match word {
            "boolean" | "bigint" | "double" | "timestamp" | "string" => Ok(Type::Primitive(word.to_owned())),
            "decimal" => {
                self.token("(")?;
                let digits = self.number()?;
                self.token(",")?;
                let scale = self.number()?;
                self.token(")")?;
                if scale <= digits && digits <= 38 {
                    Ok(Type::Decimal(digits, scale))
                } else {
                    Err(self.expected("less"))
                }
            }
            "array" => {
                self.token("<")?;
                let element = self.kind()?;
                self.token(">")?;
                Ok(Type::Array(Box::new(element)))
            }
            "map" => {
                self.token("<")?;
                let key = self.kind()?;
                self.token(",")?;
                let value = self.kind()?;
                self.token(">")?;
                match key {
                    Type::Primitive(_) => Ok(Type::Map(Box::new(key), Box::new(value))),
                    _ => Err(self.expected("a primitive key")),
                }
            }
            "struct" => self.children(),
            _ => Err(self.expected("a type")),
        }
    }

    fn children(&mut self) -> Result<Type, String> {
        self.token("<")?;
        let mut children = Vec::new();
        let mut names = HashSet::new();
        loop {
            let name = if self.rest.starts_with('`') { self.quoted_name()? } else { self.bare_name()? };
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(format!("two children are named {name}"));
            }
            self.token(":")?;
            children.push((name, self.kind()?));
            if !self.take(",") {
                break;
            }
        }
        self.token(">")?;
        Ok(Type::Struct(children))
    }
}

#[test]
fn what_athena_refuses_is_refused() {
    for fine in ["struct<a:array<map<string,decimal(38,10)>>,b.c_1:bigint>", "string"] {
        assert!(Type::parse(fine).is_ok(), "{fine}");
    }
    for wrong in [
        "struct<>",
        "struct<a-b:string>",
        "struct<a:string,A:string>",
        "struct<a:string",
        "array<>",
        "map<array<string>,string>",
        "decimal(39,10)",
        "uuid",
        "string>",
        "struct<:string>",
    ] {
        assert!(Type::parse(wrong).is_err(), "{wrong}");
    }
}

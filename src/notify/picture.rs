//! Drawings as PNG: mail programs show no SVG. The letters come with the program, whatever the machine has.

use crate::error::{Error, Kind, Result, ResultExt};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Pixels per unit of the drawing: sharp on screens of high density.
const SCALE: f32 = 2.0;

/// A picture of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `rows`
    pub name: &'static str,
    /// The bytes of the PNG.
    pub png: Vec<u8>,
}

impl Picture {
    /// Draws `svg`.
    ///
    /// # Errors
    /// `Kind::Notify` when it is no drawing.
    pub(super) fn draw(name: &'static str, svg: &str) -> Result<Self> {
        let what = || format!("draw the chart {name}");
        let mut options = Options::default();
        options.fontdb_mut().load_font_data(dejavu::sans::regular().to_vec());
        let tree = Tree::from_str(svg, &options).or_error(Kind::Notify, what())?;
        let size = tree.size().to_int_size().scale_by(SCALE);
        let mut pixels = size
            .and_then(|size| Pixmap::new(size.width(), size.height()))
            .ok_or_else(|| Error::new(Kind::Notify, "no size").context(what()))?;
        resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
        Ok(Self { name, png: pixels.encode_png().or_error(Kind::Notify, what())? })
    }

    /// What the page calls it: `<img src="cid:rows@lakefold">`.
    pub(super) fn cid(&self) -> String {
        format!("{}@lakefold", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_letters_are_drawn_on_nothing() {
        let svg = r##"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" viewBox="0 0 40 20">
            <rect x="0" y="0" width="10" height="10" fill="#ff0000"/>
            <text x="20" y="15" font-family="DejaVu Sans" font-size="12" fill="#0000ff">mm</text></svg>"##;
        let picture = Picture::draw("rows", svg).unwrap();
        let pixels = Pixmap::decode_png(&picture.png).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (80, 40));
        assert_eq!(pixels.pixel(10, 10).unwrap().red(), 255);
        assert_eq!(pixels.pixel(25, 35).unwrap().alpha(), 0, "dark pages shine through");
        assert!(pixels.pixels().iter().any(|p| p.blue() > 200), "the letters are there");
        assert!(Picture::draw("rows", "<svg").unwrap_err().to_string().starts_with("draw the chart rows: "));
    }
}

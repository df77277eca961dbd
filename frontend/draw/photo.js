// A picture file instead of a drawing: chosen, dropped anywhere on the page, or pasted.

const MAX_BYTES = 10_000_000; // the backend's limit
const LARGE_BYTES = 1_000_000;
const SENT_SIDE = 2000; // pixels, of a large picture: a digit in it is still large enough
const READ_BY_BACKEND = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"];
const THUMBNAIL = 160;
const [DROP, NO_PREVIEW] = ["Drop the picture", "Your browser cannot show this picture."];

export class Photo {
  // `onTake()`: a picture was chosen; `onRefuse(reason)`
  constructor(root, { onTake, onRefuse }) {
    Object.assign(this, { onTake, onRefuse, file: null, refusal: null });
    this.image = root.querySelector(".photo");
    this.notice = root.querySelector(".notice");
    this.image.addEventListener("error", () => this.file && this.#note(NO_PREVIEW));
    const input = root.querySelector(".file input");
    input.addEventListener("change", () => {
      this.take(input.files[0]);
      input.value = "";
    });
    this.listening = new AbortController();
    const listen = (type, handler) => addEventListener(type, handler, { signal: this.listening.signal });
    listen("paste", (event) => this.take(event.clipboardData.files[0]));
    listen("dragover", (event) => this.#drags(event) && this.#note(DROP));
    listen("dragleave", (event) => event.relatedTarget || this.#note(null)); // null: it leaves the window
    listen("drop", (event) => {
      if (!this.#drags(event)) return;
      this.#note(null);
      this.take(event.dataTransfer.files[0]);
    });
  }

  // Whether files are dragged; then the browser must not open them.
  #drags(event) {
    const drags = event.dataTransfer.types.includes("Files");
    if (drags) event.preventDefault();
    return drags;
  }

  #note(words) {
    this.notice.hidden = !words;
    this.notice.textContent = words ?? "";
  }

  // Unless something else happens on the sheet while the file is loaded.
  async take(file) {
    if (!file) return;
    const loading = (this.loading = {});
    if (!file.size) return this.onRefuse("The file is empty.");
    const readable = READ_BY_BACKEND.includes(file.type);
    const picture = file.size > LARGE_BYTES || !readable ? await smaller(file) : file;
    const unreadable = picture === file && !readable ? NO_PREVIEW : null;
    const refusal = unreadable ?? (picture.size > MAX_BYTES ? "The file is larger than 10 MB." : null);
    const bytes = refusal ? null : new Uint8Array(await picture.arrayBuffer());
    if (loading !== this.loading) return;
    if (refusal) return this.onRefuse(refusal);
    this.show({ bytes, type: picture.type });
    this.onTake();
  }

  show(file) {
    this.drop();
    this.file = { ...file, url: URL.createObjectURL(new Blob([file.bytes], { type: file.type })) };
    this.image.alt = "your picture";
    this.image.src = this.file.url;
    this.image.hidden = false;
  }

  drop() {
    this.loading = null;
    if (this.file) URL.revokeObjectURL(this.file.url);
    this.file = this.refusal = null;
    this.#note(null);
    this.image.hidden = true;
    this.image.removeAttribute("src");
  }

  // A small copy, for "Your sketches"; empty if the browser cannot show the picture.
  thumbnail() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    if (!width) return "data:,";
    const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.ceil(width * scale), height: Math.ceil(height * scale) });
    canvas.getContext("2d").drawImage(this.image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg");
  }

  stop() {
    this.listening.abort();
  }
}

// A copy of at most SENT_SIDE pixels a side, in a format that the backend reads; the file itself if the browser cannot decode it.
async function smaller(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    return file;
  } finally {
    URL.revokeObjectURL(image.src);
  }
  const { naturalWidth: width, naturalHeight: height } = image;
  const scale = Math.min(1, SENT_SIDE / Math.max(width, height));
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.ceil(width * scale), height: Math.ceil(height * scale) });
  const page = canvas.getContext("2d");
  page.imageSmoothingQuality = "high";
  page.drawImage(image, 0, 0, canvas.width, canvas.height);
  const opaque = !["image/png", "image/webp", "image/gif", "image/svg+xml"].includes(file.type);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), opaque ? "image/jpeg" : "image/png", 0.95));
}

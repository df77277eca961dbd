// A picture file instead of a drawing: chosen, dropped or pasted.

const MAX_BYTES = 10_000_000; // the backend's limit
const THUMBNAIL = 160;

export class Photo {
  // `onTake()`: a picture was chosen; `onRefuse(reason)`
  constructor(root, { onTake, onRefuse }) {
    Object.assign(this, { onTake, onRefuse, file: null, refusal: null });
    this.image = root.querySelector(".photo");
    this.image.addEventListener("error", () => (this.image.alt = this.file ? "no preview of this picture" : ""));
    const input = root.querySelector(".file input");
    input.addEventListener("change", () => {
      this.take(input.files[0]);
      input.value = "";
    });
    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
    this.listening = new AbortController();
    const paste = (event) => this.take(event.clipboardData.files[0]);
    addEventListener("paste", paste, { signal: this.listening.signal });
  }

  async take(file) {
    if (!file) return;
    this.refusal = null;
    if (file.size > MAX_BYTES) return this.onRefuse("The file is larger than 10 MB.");
    this.show({ bytes: new Uint8Array(await file.arrayBuffer()), type: file.type || "application/octet-stream" });
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
    if (this.file) URL.revokeObjectURL(this.file.url);
    this.file = this.refusal = null;
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

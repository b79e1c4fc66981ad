/* Reads QR codes from the camera: by the browser's own detector, or by jsQR where it has none. */
"use strict";

window.door = window.door || {};

const LOOKS_WITHOUT = 30; // some four seconds; a code in a moving hand is missed now and then

door.Camera = class {
  constructor({ video, decoder, onCode }) {
    this.video = video;
    this.decoder = decoder; // the address of jsQR
    this.onCode = onCode; // once for each time that a code comes into view
    this.stream = null;
  }

  static get isAvailable() {
    return Boolean(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
  }

  /* Rejects if there is no camera, or no permission to use it. */
  async start() {
    this.read = this.read || (await this.reader());
    this.stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1280 } },
      audio: false,
    });
    this.video.srcObject = this.stream;
    await this.video.play();
    this.keepAwake();
    this.forget();
    this.look();
  }

  forget() {
    this.inView = "";
    this.misses = 0;
  }

  stop() {
    if (this.stream) this.stream.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
    if (this.lock) this.lock.release();
    this.lock = null;
  }

  async look() {
    while (this.stream) {
      if (!document.hidden && this.video.readyState >= 2) {
        const text = await this.read(this.video).catch(() => "");
        if (this.stream) this.saw(text);
      }
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
  }

  /* A code that stays in view is passed on once, so an undo of its scan stays undone. Looks count, not
     seconds: a phone that was busy, or in a pocket, has not seen the ticket go. */
  saw(text) {
    if (text && text !== this.inView) {
      this.inView = text;
      this.onCode(text);
    }
    this.misses = text ? 0 : this.misses + 1;
    if (this.misses >= LOOKS_WITHOUT) this.forget();
  }

  async keepAwake() {
    try {
      this.lock = await navigator.wakeLock.request("screen");
    } catch {
      /* The screen goes dark as usual. */
    }
  }

  async reader() {
    if ("BarcodeDetector" in window) {
      const formats = await BarcodeDetector.getSupportedFormats();
      if (formats.includes("qr_code")) {
        const detector = new BarcodeDetector({ formats: ["qr_code"] });
        return async (image) => ((await detector.detect(image))[0] || {}).rawValue || "";
      }
    }
    await door.loadScript(this.decoder);
    return async (image) => door.decode(image);
  }
};

/* The text of the QR code on an image or a frame of a video, by jsQR. Empty without one. */
door.decode = (image) => {
  const canvas = (door.canvas = door.canvas || document.createElement("canvas"));
  const [width, height] = [image.videoWidth || image.width, image.videoHeight || image.height];
  const scale = Math.min(1, 800 / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const code = jsQR(pixels.data, pixels.width, pixels.height);
  return code ? code.data : "";
};

door.loadScript = (address) =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = resolve;
    script.onerror = () => reject(new Error("The decoder cannot be loaded."));
    document.head.append(script);
  });

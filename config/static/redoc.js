// ReDoc shows its makers' logo from their host. This page asks nobody but its own server.
const inside = (address) => (String(address).startsWith("https://") ? "data:," : address);
const image = HTMLImageElement.prototype;
const source = Object.getOwnPropertyDescriptor(image, "src");
Object.defineProperty(image, "src", {
  ...source,
  set(address) {
    source.set.call(this, inside(address));
  },
});
image.setAttribute = function (name, value) {
  Element.prototype.setAttribute.call(this, name, name === "src" ? inside(value) : value);
};

"use strict";

const pad = document.getElementById("pad");
const pen = pad.getContext("2d", { willReadFrequently: true });
const bars = document.getElementById("bars");
const PAPER = "#ffffff";
const SIDE = 140; // pixels of the drawing that is sent
const STEP = 10; // of the keyboard's pen
const shrunk = document.createElement("canvas");
shrunk.width = shrunk.height = SIDE;

// One request is under way at most; when it is answered, the drawing as it is then is sent.
let busy = false;
let changed = false;

function clear() {
  pen.fillStyle = PAPER;
  pen.fillRect(0, 0, pad.width, pad.height);
  look();
}

function stroke(from, to) {
  pen.strokeStyle = "#1d2430";
  pen.lineWidth = 22;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(to.x, to.y);
  pen.stroke();
  look();
}

function drawing() {
  const small = shrunk.getContext("2d", { willReadFrequently: true });
  small.drawImage(pad, 0, 0, SIDE, SIDE);
  const rgba = small.getImageData(0, 0, SIDE, SIDE).data;
  const pixels = [];
  for (let i = 0; i < rgba.length; i += 4) pixels.push(rgba[i]);
  return { width: SIDE, height: SIDE, pixels };
}

async function look() {
  changed = true;
  if (busy) return;
  busy = true;
  while (changed) {
    changed = false;
    const start = performance.now();
    try {
      const sent = drawing();
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("look", { method: "POST", headers, body: JSON.stringify(sent) });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      show(answer);
      const milliseconds = performance.now() - start;
      window.demo = { sent, answer, milliseconds };
      document.getElementById("latency").textContent = `Answered in ${milliseconds.toFixed(0)} ms.`;
    } catch (error) {
      say(`No answer: ${error.message}`);
    }
  }
  busy = false;
}

function say(text) {
  const place = document.getElementById("answer");
  if (place.textContent !== text) place.textContent = text;
}

function show(answer) {
  const { digit, probabilities } = answer;
  say(digit === null ? "Nothing drawn yet." : `This is a ${digit}.`);
  for (const [number, row] of [...bars.children].entries()) {
    const share = probabilities === null ? 0 : probabilities[number];
    row.querySelector(".bar").style.transform = `scaleX(${share})`;
    row.querySelector("output").textContent = `${(100 * share).toFixed(1)} %`;
    row.classList.toggle("best", number === digit);
  }
  paint(document.getElementById("input"), bytes(answer.input), 28, 28, 1);
  const place = document.getElementById("layers");
  for (const [index, layer] of answer.layers.entries()) {
    const box = place.children[index] || place.appendChild(layerBox(layer));
    const [height, width, count] = layer.shape.length === 3 ? layer.shape : [1, layer.shape[0], 1];
    paint(box.querySelector("canvas"), bytes(layer.data), height, width, count);
  }
}

function layerBox(layer) {
  const box = document.createElement("div");
  box.className = "layer";
  const title = document.createElement("h3");
  const shape = document.createElement("span");
  shape.className = "shape";
  shape.textContent = ` ${layer.shape.join(" x ")}`;
  title.append(layer.name, shape);
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Responses of ${layer.name}`);
  box.append(title, canvas);
  return box;
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Maps side by side, in rows, one pixel apart. Dark is no response.
function paint(canvas, values, height, width, count) {
  const flat = height === 1 && count === 1;
  const tall = flat ? 1 : height;
  const columns = Math.min(count, 16);
  const rows = Math.ceil(count / columns);
  canvas.width = columns * (width + 1) - 1;
  canvas.height = rows * (tall + 1) - 1;
  if (canvas.id !== "input") {
    const scale = flat ? Math.min(16, 900 / width) : Math.max(1, 56 / width);
    canvas.style.width = `${canvas.width * scale}px`;
    canvas.style.height = flat ? "16px" : "auto";
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  let next = 0;
  for (let map = 0; map < count; map++) {
    const left = (map % columns) * (width + 1);
    const top = Math.floor(map / columns) * (tall + 1);
    for (let y = 0; y < tall; y++) {
      for (let x = 0; x < width; x++) {
        const at = 4 * ((top + y) * canvas.width + left + x);
        const value = values[next++];
        image.data.set([value, value, Math.min(255, 24 + value), 255], at);
      }
    }
  }
  context.putImageData(image, 0, 0);
}

function place(event) {
  const box = pad.getBoundingClientRect();
  const scale = pad.width / box.width;
  return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
}

let last = null;
pad.addEventListener("pointerdown", (event) => {
  pad.setPointerCapture(event.pointerId);
  last = place(event);
  stroke(last, last);
});
pad.addEventListener("pointermove", (event) => {
  if (last === null) return;
  const here = place(event);
  stroke(last, here);
  last = here;
});
for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { last = null; });

const cursor = { x: pad.width / 2, y: pad.height / 2, down: false };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
pad.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    cursor.down = false;
    clear();
  } else if (event.key === " ") {
    cursor.down = !cursor.down;
    if (cursor.down) stroke(cursor, cursor);
  } else if (event.key in MOVES) {
    const [x, y] = MOVES[event.key];
    const from = { ...cursor };
    cursor.x = Math.min(pad.width, Math.max(0, cursor.x + x * STEP));
    cursor.y = Math.min(pad.height, Math.max(0, cursor.y + y * STEP));
    if (cursor.down) stroke(from, cursor);
  } else {
    return;
  }
  const mark = document.getElementById("cursor");
  mark.hidden = false;
  mark.classList.toggle("down", cursor.down);
  mark.style.left = `${(100 * cursor.x) / pad.width}%`;
  mark.style.top = `${(100 * cursor.y) / pad.height}%`;
  event.preventDefault();
});
document.getElementById("clear").addEventListener("click", clear);

for (let number = 0; number < 10; number++) {
  const row = document.createElement("li");
  const track = document.createElement("span");
  track.className = "track";
  track.append(document.createElement("span"));
  track.firstChild.className = "bar";
  row.append(String(number), track, document.createElement("output"));
  bars.append(row);
}
clear();

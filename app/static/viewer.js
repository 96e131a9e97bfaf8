// One viewer for every pair of pictures on the page: a card that is pressed is shown large, the original over the debiased
// picture as far as the slider says; next and previous, arrow keys, close, and what can be done with the pair below it.

const viewed = {grid: null, place: 0, number: 0};
const viewerPart = (name) => document.querySelector(`#viewer .view-${name}`);
const viewerBox = () => document.getElementById('viewer');
const viewerIsOpen = () => Boolean(viewerBox()?.matches(':popover-open'));

// Called by whatever holds cards: one that is pressed opens the viewer, which follows when they are drawn anew.
function enlarge(grid) {
  grid.addEventListener('click', (event) => {
    const card = event.target.closest('.pair');
    if (card) openViewer(grid, card);
  });
  new MutationObserver(() => viewed.grid === grid && viewerIsOpen() && showPair()).observe(grid, {childList: true, subtree: true});
}

const cardsOf = (grid) => [...grid.querySelectorAll('.pair')];

function openViewer(grid, card) {
  Object.assign(viewed, {grid, place: cardsOf(grid).indexOf(card)});
  viewerBox().classList.toggle('of-the-run', grid.closest('#pairs') !== null);  // only these can be corrected and dialled
  viewerBox().showPopover();
  viewerBox().focus();
  showPair();
}

function showPair() {
  const cards = cardsOf(viewed.grid);
  if (!cards.length) return viewerBox().hidePopover();
  viewed.place = Math.min(Math.max(viewed.place, 0), cards.length - 1);
  const card = cards[viewed.place], [original, debiased = original, ...others] = card.querySelectorAll('.sides img');
  viewerBox().classList.toggle('alone', debiased === original);  // a picture made elsewhere has no other side
  const words = [...card.querySelectorAll('.caption > span')].map((span) => span.textContent.trim());
  const {number = viewed.place, concept = ''} = card.dataset;
  viewed.number = Number(number);
  const again = document.querySelector('#repainted img');
  const anew = again?.dataset.number === number && again.dataset.concept === concept && viewed.grid.closest('#pairs') ? again : null;
  document.getElementById('viewer-title').textContent = `${concept && `“${concept}”, `}no. ${number} (${viewed.place + 1} of ${cards.length})`;
  [[viewerPart('over'), original, words[0]], [viewerPart('under'), anew ?? debiased, anew?.dataset.words ?? words[1]]].forEach(
    ([image, from, said]) => { image.src = from.src; image.alt = said ?? from.alt; });
  const [wide, high] = ['width', 'height'].map((side) => Number(original.getAttribute(side)));
  viewerPart('lens').style.setProperty('--ratio', wide && high ? wide / high : 1);
  const told = [words[0], anew?.dataset.words ?? words[1], ...words.slice(2)].filter(Boolean).map(
    (said) => Object.assign(document.createElement('p'), {textContent: said}));
  viewerPart('words').replaceChildren(...told, ...others.map((image) => image.cloneNode()));
  viewerPart('previous').disabled = viewed.place === 0;
  viewerPart('next').disabled = viewed.place === cards.length - 1;
}

function turnPair(by) {
  viewed.place += by;
  showPair();
}

// The slider's place as a style, which the picture above follows.
function moveLens(percent) {
  viewerPart('range').value = percent;
  viewerPart('lens').style.setProperty('--at', `${viewerPart('range').value}%`);
}

const KEYS = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity};
function keyInViewer(event) {
  const field = event.target.closest('input, textarea, [role=listbox], [role=combobox]');
  if (event.key === 'Tab') keepFocus(event);
  else if (!field && event.key in KEYS) {
    event.preventDefault();
    turnPair(KEYS[event.key]);
  }
}

// While it is open, Tab stays in it, as in any dialog.
function keepFocus(event) {
  const stops = [...viewerBox().querySelectorAll('button, input, summary, a[href], [tabindex="0"]')]
    .filter((stop) => !stop.disabled && stop.checkVisibility());
  const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
  if (document.activeElement !== from && (!event.shiftKey || document.activeElement !== viewerBox())) return;
  event.preventDefault();
  to.focus();
}

function viewer(stage) {
  const box = stage.closest('#viewer');
  Object.entries({popover: 'auto', role: 'dialog', 'aria-modal': 'true', 'aria-labelledby': 'viewer-title', tabindex: '-1'})
    .forEach(([name, value]) => box.setAttribute(name, value));
  viewerPart('previous').addEventListener('click', () => turnPair(-1));
  viewerPart('next').addEventListener('click', () => turnPair(1));
  viewerPart('close').addEventListener('click', () => box.hidePopover());
  viewerPart('range').addEventListener('input', ({target}) => moveLens(target.value));
  viewerPart('lens').addEventListener('pointermove', ({buttons, pointerType, offsetX}) => {
    if (buttons || pointerType === 'mouse') moveLens(100 * offsetX / viewerPart('lens').clientWidth);
  });
  box.addEventListener('keydown', keyInViewer);
  box.addEventListener('toggle', ({newState}) => newState === 'closed' && cardsOf(viewed.grid)[viewed.place]?.focus());
  new MutationObserver(() => viewerIsOpen() && showPair()).observe(document.getElementById('repainted'), {childList: true, subtree: true});
}

// The last of the values that are sent is the number of the pair in the viewer.
function viewedPair(...values) {
  return [...values.slice(0, -1), viewed.number];
}

function repaintPair(...values) {
  viewerBox().classList.add('painting');
  return viewedPair(...values);
}

function pairRepainted() {
  viewerBox().classList.remove('painting');
}

// All flows. Only the rows in view are in the document.
import {open} from './dialog.js'
import {listed} from './order.js'
import {box, button, changed, counted, due, flowLink, focus, go, h, number, save, search, select, set, signs, state, stateOf, toggle, told, typed, who} from './parts.js'

const MORE = 8
/** How long rows keep their order, in ms; and under a pointer. */
const CALM = 250, STILL = 3000

/** Of a row, as the style sheet has it. */
const height = () => (innerWidth < 640 ? 104 : 40)
let top = 0, room = innerHeight, hovered = false, waiting = 0
let memo = {key: '', rev: -1, at: 0, ids: /** @type {string[]} */ ([])}

function how() {
	const {query} = state.route
	return {text: query.get('q') ?? '', states: (query.get('state') ?? '').split(',').filter(Boolean), sort: query.get('sort') ?? 'held'}
}

function ids() {
	const {text, states, sort} = how(), key = `${sort} ${states} ${text}`, isNew = key !== memo.key
	if (isNew) document.querySelector('.scroll')?.scrollTo(0, (top = 0))
	if (isNew || (memo.rev !== state.rev && performance.now() - memo.at > (hovered ? STILL : CALM)))
		memo = {key, rev: state.rev, at: performance.now(), ids: listed(state.flows.values(), text, states, sort).map(flow => flow.flow_id)}
	else if (memo.rev !== state.rev) setTimeout(changed, CALM)
	return memo.ids
}

/** @param {number} by */
export function move(by) {
	const all = ids(), at = all.indexOf(state.cursor)
	changed({cursor: all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))] ?? ''})
	focus('.cursor a')
}

document.addEventListener('focusin', ({target}) => {
	const id = /** @type {HTMLElement} */ (target).closest('[data-flow]:not(.cursor)')?.getAttribute('data-flow')
	if (id) changed({cursor: id})
})

/** What is ticked, or else where the cursor is. */
export const targets = () => (state.selected.size ? [...state.selected] : state.flows.has(state.cursor) ? [state.cursor] : [])

/** @param {string} id @param {number} index */
function row(id, index) {
	const flow = state.flows.get(id), cell = (/** @type {string} */ is, /** @type {unknown[]} */ ...kids) => h('span', {role: 'cell', class: is}, kids)
	return flow && h('div.row', {key: id, role: 'row', class: `${id === state.cursor ? 'cursor' : ''} ${performance.now() - (state.marks.get(id) ?? -9999) < 1200 ? 'marked' : ''}`, 'aria-rowindex': index + 2, 'data-flow': id, 'data-state': flow.state, style: `transform: translateY(${index * height()}px)`},
		cell('pick', box('', state.selected.has(id), () => toggle(state.selected, id), `Select ${signs(id)}`)), cell('id', h('a', {href: flowLink(id)}, told(id))), cell('what', stateOf(flow)), cell('held', number(flow.held.total)), cell('due', due(flow)), cell('why', who(flow)))
}

/** @param {string[]} all */
function rows(all) {
	const first = Math.max(0, Math.floor(top / height()) - MORE), last = first + Math.ceil(room / height()) + 2 * MORE, at = all.indexOf(state.cursor)
	const shown = all.slice(first, last).map((id, place) => row(id, first + place))
	// Where the focus is stays in the document, or it would be lost.
	if (at >= 0 && (at < first || at >= last)) shown.push(row(state.cursor, at))
	return shown
}

function chips() {
	const {states} = how(), {paused, resuming, live} = state.counts, counts = {paused, resuming, live: state.partial ? state.known - paused - resuming : live}
	return h('div.chips', {role: 'group', label: 'State'}, Object.entries(counts).map(([name, count]) => {
		const on = states.includes(name), act = () => set({state: (on ? states.filter(one => one !== name) : [...states, name]).join(',')})
		return button(`${name} ${number(count)}`, act, {key: name, class: `chip ${name}`, 'aria-pressed': `${on}`})
	}))
}

function empty() {
	const {text, states} = how(), {loaded, reading, trouble, flows} = state
	if (reading) return [`The gate reads the states of its flows: ${number(reading.read)} of ${number(reading.end)}. `, h('progress', {max: reading.end, value: reading.read, label: 'States read'})]
	if (!loaded) return trouble || 'Asking the gate for its flows…'
	if (!flows.size && !text) return ['No flow is known yet. One comes here with its first event, or by ', h('code', 'flowgate pause NAME')]
	return [`No flow${states.length ? ` that is ${states.join(' or ')}` : ''}`, text && [' has ', told(text), ' in its id'], '. ', button('Show all flows', () => set({q: '', state: ''})), text && [' ', button(['Pause ', told(text), ' by its name…'], () => open('pause', [text]))]]
}

/** @param {string[]} all */
function actions(all) {
	const {selected, flows} = state, count = selected.size, off = !count, hidden = count && selected.difference(new Set(all)).size
	return h('div.actions', {role: 'toolbar', label: 'Actions'}, h('span', off ? counted(all.length, 'flow') : `${number(count)} selected${hidden ? `, ${number(hidden)} not listed` : ''}`),
		count < all.length + hidden && button(`Select all ${number(all.length)} that match`, () => changed({selected: new Set([...selected, ...all])}), {class: 'plain'}),
		!off && button('Clear selection', () => changed({selected: new Set()}), {class: 'plain'}), h('span.gap'),
		button('Pause…', () => open('pause', [...selected]), {disabled: off}), button('Resume…', () => open('resume', [...selected]), {disabled: off}), button('Export', () => save('flows.jsonl', (off ? all : [...selected]).map(id => flows.get(id))), {disabled: !all.length}),
		state.byAll > 0 && button('Resume all…', () => open('resume', null)), button('Pause all…', () => open('pause', null), {class: 'danger'}))
}

/** @param {string} text */
function sought(text) {
	set({q: text})
	clearTimeout(waiting)
	waiting = setTimeout(() => search(text), 300)
}

const HEAD = h('div.head', {role: 'rowgroup'}, h('div.row', {role: 'row', 'aria-rowindex': 1}, [['', h('span.unseen', 'Select')], ['', 'Flow'], ['', 'State'], ['held', 'Held'], ['due', 'Resumes in'], ['', 'Who and why']].map(([is, name]) => h('span', {role: 'columnheader', class: is}, name))))

export function view() {
	const all = ids(), {text, sort} = how()
	return h('main.flows', h('h1.unseen', 'Flows'),
		h('div.filters', h('input', {type: 'search', id: 'search', label: 'Search flows', placeholder: 'Search flows  /', autocomplete: 'off', spellcheck: 'false', value: text, oninput: typed(sought), onkeydown: ({key}) => key === 'Enter' && all.length && go(flowLink(all[0]))}),
			chips(), select('Sort by', sort, [['held', 'held'], ['deadline', 'deadline'], ['id', 'id']], {onchange: typed(value => set({sort: value}))})),
		state.partial && !text && h('p.note', `${number(state.known)} flows are known. Search for live ones.`),
		h('div.scroll', {role: 'table', label: 'Flows', 'aria-rowcount': all.length + 1, onscroll: ({target}) => {top = target.scrollTop; room = target.clientHeight; changed();}, onpointerenter: () => (hovered = true), onpointerleave: () => (hovered = false)},
			HEAD, h('div.tall', {role: 'rowgroup', style: `height: ${all.length * height()}px`}, rows(all))),
		!all.length && h('p.empty', {role: 'status'}, empty()), actions(all))
}

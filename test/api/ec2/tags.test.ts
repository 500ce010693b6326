import { beforeEach, describe, expect, test } from 'vitest'
import { Ec2House, type Furniture, furnish } from './ec2-house.js'

let house: Ec2House
let has: Furniture

beforeEach(async () => {
  house = await Ec2House.open()
  has = await furnish(house)
})

const tag = (...tags: object[]) =>
  house.ask('CreateTags', { ResourceId: [has.sessionId], Tag: tags })

const numbered = (count: number, prefix = 'k') =>
  Array.from({ length: count }, (_, at) => ({ Key: `${prefix}${at}`, Value: 'v' }))

const tagsOfSession = () => house.plane.resources.sessions.get(has.sessionId)!.tags

describe('CreateTags', () => {
  test('puts tags on every kind of resource, in place of those of their keys', async () => {
    const ids = [has.sessionId, has.targetId, has.filterId, has.ruleId, has.flowLogId]
    for (const value of ['one', 'two']) {
      await house.must('CreateTags', { ResourceId: ids, Tag: [{ Key: 'k', Value: value }] })
    }
    const { tagSet } = await house.must('DescribeTags')
    expect(tagSet).toEqual(
      [
        [has.flowLogId, 'vpc-flow-log'],
        [has.filterId, 'traffic-mirror-filter'],
        [has.ruleId, 'traffic-mirror-filter-rule'],
        [has.sessionId, 'traffic-mirror-session'],
        [has.targetId, 'traffic-mirror-target'],
      ]
        .sort((a, b) => (a[0]! < b[0]! ? -1 : 1))
        .map(([resourceId, resourceType]) => ({
          resourceId,
          resourceType,
          key: 'k',
          value: 'two',
        })),
    )
  })

  test.each([
    ['a key of 128 characters', { Key: 'ä'.repeat(128) }],
    ['characters that are two units each', { Key: '𝕜'.repeat(128), Value: '𝕧'.repeat(256) }],
    ['no value', { Key: 'a' }],
    ['an empty value', { Key: 'a', Value: '' }],
    ['aws without a colon', { Key: 'awsome', Value: 'aws:' }],
  ])('takes %s', async (_what, one) => {
    expect(await tag(one)).toMatchObject({ status: 200, output: { return: true } })
  })

  test.each([
    ['an empty key', [{ Key: '' }], 'MissingParameter'],
    ['a key of 129 characters', [{ Key: 'a'.repeat(129) }], 'InvalidParameterValue'],
    ['a value of 257', [{ Key: 'a', Value: 'a'.repeat(257) }], 'InvalidParameterValue'],
    ['a key of AWS', [{ Key: 'aws:a' }], 'InvalidTagKey.Malformed'],
    ['a key of AWS in capitals', [{ Key: 'AWS:a' }], 'InvalidTagKey.Malformed'],
    ['one key twice', [{ Key: 'a' }, { Key: 'a' }], 'InvalidParameterValue'],
    ['51 tags', numbered(51), 'TagLimitExceeded'],
  ])('refuses %s', async (_what, tags, code) => {
    expect(await tag(...tags)).toMatchObject({ code, status: 400 })
    expect(tagsOfSession()).toEqual([])
  })

  test('counts the tags that are there, and not the keys that are replaced', async () => {
    expect(await tag(...numbered(50))).toMatchObject({ status: 200 })
    expect(await tag(...numbered(50))).toMatchObject({ status: 200 })
    expect(await tag({ Key: 'more' })).toMatchObject({ code: 'TagLimitExceeded' })
  })

  test('tags all resources or none', async () => {
    await tag(...numbered(50))
    const before = house.plane.resources
    const said = await house.ask('CreateTags', {
      ResourceId: [has.targetId, has.ruleId, has.sessionId],
      Tag: [{ Key: 'more' }],
    })
    expect(said).toMatchObject({ code: 'TagLimitExceeded' })
    expect(house.plane.resources).toBe(before)
  })
})

describe('TagSpecification', () => {
  const create = (...specifications: object[]) =>
    house.ask('CreateTrafficMirrorFilter', { TagSpecification: specifications })
  const type = 'traffic-mirror-filter'

  test('tags what is created', async () => {
    const { output } = await create({
      ResourceType: type,
      Tag: [{ Key: 'a' }, { Key: 'b', Value: 'c' }],
    })
    expect(output.trafficMirrorFilter.tagSet).toEqual([
      { key: 'a', value: '' },
      { key: 'b', value: 'c' },
    ])
  })

  test.each([
    ['no type', { Tag: [{ Key: 'a' }] }],
    ['a type that is not created', { ResourceType: 'traffic-mirror-session', Tag: [{ Key: 'a' }] }],
    ['no tags', { ResourceType: type }],
    ['one key twice', { ResourceType: type, Tag: [{ Key: 'a' }, { Key: 'a' }] }],
  ])('is refused with %s', async (_what, one) => {
    const before = house.plane.resources
    expect(await create(one)).toMatchObject({ code: 'InvalidParameterValue', status: 400 })
    expect(house.plane.resources).toBe(before)
  })

  test('is refused when a type is there twice, or tags are too many', async () => {
    const one = { ResourceType: type, Tag: [{ Key: 'a' }] }
    expect(await create(one, one)).toMatchObject({ code: 'InvalidParameterValue' })
    expect(await create({ ResourceType: type, Tag: numbered(51) })).toMatchObject({
      code: 'TagLimitExceeded',
    })
  })
})

describe('DescribeTags', () => {
  test('filters by key, value, resource and tag', async () => {
    await house.must('CreateTags', {
      ResourceId: [has.sessionId, has.targetId],
      Tag: [
        { Key: 'env', Value: 'prod' },
        { Key: 'team', Value: 'net*' },
      ],
    })
    for (const [Name, Value, count] of [
      ['key', ['env'], 2],
      ['key', ['env', 'team'], 4],
      ['key', ['Env'], 0],
      ['value', ['pr?d'], 2],
      ['value', ['net\\*'], 2],
      ['value', ['\\*'], 0],
      ['resource-id', [has.sessionId], 2],
      ['resource-type', ['traffic-mirror-t*'], 2],
      ['tag:env', ['prod'], 2],
      ['tag:env', ['dev'], 0],
    ] as const) {
      const { tagSet } = await house.must('DescribeTags', { Filter: [{ Name, Value }] })
      expect(tagSet.length, `${Name} ${Value}`).toBe(count)
    }
    expect(
      await house.ask('DescribeTags', { Filter: [{ Name: 'nonsense', Value: ['a'] }] }),
    ).toMatchObject({ code: 'InvalidParameterValue' })
  })
})

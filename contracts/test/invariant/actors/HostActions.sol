// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Request, Terms} from "../../../src/types/Usage.sol";
import {OrderActions} from "./OrderActions.sol";

/// @title Hosts change what is theirs, one of them is its own consumer, and attesters name contributors.
abstract contract HostActions is OrderActions {
    uint256 private constant MOST_MODELS = 6;

    uint256 private constant MOST_DIRECT_REQUESTS = 40;
    uint256 private constant MOST_WEIGHT = 2 ** 24 - 1;

    uint32 private directCount;
    address[] internal attesters;
    string[] internal attesterKeys;

    function hostChangesTerms(uint256 modelSeed, uint256 termsSeed) external onTime {
        Model storage m = model[modelSeed % model.length];
        Terms memory t = _someTerms(termsSeed);
        bytes memory refusal = _whyNotChange(m);
        if (refusal.length == 0 && rarely(termsSeed, 8)) {
            (t.trainingPpm, t.validatorPpm) = (900_000, 100_001);
            refusal = abi.encodeWithSelector(IModelRegistry.SplitTooLarge.selector, 900_000, 100_001);
        }
        call(m.host, address(models), abi.encodeCall(IModelRegistry.updateTerms, (m.id, t)), refusal);
        if (refusal.length == 0) m.terms = t;
    }

    /// @dev While requests at the split of before are under way: their fees go by that split.
    function hostChangesSplit(uint256 modelSeed, uint256 splitSeed) external onTime {
        Model storage m = model[modelSeed % model.length];
        Terms memory t = m.terms;
        t.trainingPpm = uint24(bound(mix(splitSeed, 1), 0, PPM));
        t.validatorPpm = rarely(splitSeed, 3) ? 0 : uint24(bound(mix(splitSeed, 2), 0, PPM - t.trainingPpm));
        bytes memory refusal = _whyNotChange(m);
        call(m.host, address(models), abi.encodeCall(IModelRegistry.updateTerms, (m.id, t)), refusal);
        if (refusal.length == 0) m.terms = t;
    }

    function hostChangesNodes(uint256 modelSeed, uint256 nodesSeed) external onTime {
        uint256 index = modelSeed % model.length;
        Model storage m = model[index];
        uint256 mask = mix(nodesSeed, 1) % (2 ** nodes.length - 1) + 1;
        address[] memory list = _chosen(nodes, mask);
        bytes memory refusal = _whyNotChange(m);
        if (refusal.length == 0 && list.length > 1 && rarely(nodesSeed, 8)) {
            list[1] = list[0];
            refusal = abi.encodeWithSelector(IModelRegistry.NodeInvalid.selector, list[0]);
        }
        call(m.host, address(models), abi.encodeCall(IModelRegistry.updateNodes, (m.id, list)), refusal);
        if (refusal.length != 0) return;
        for (uint256 i; i < nodes.length; ++i) {
            listed[index][nodes[i]] = mask & (1 << i) != 0;
        }
    }

    function hostRotatesSigner(uint256 modelSeed, uint256 signerSeed) external onTime {
        Model storage m = model[modelSeed % model.length];
        uint256 next = mix(signerSeed, 1) % signers.length;
        uint256 grace =
            rarely(signerSeed, 4) ? 0 : bound(mix(signerSeed, 2), 1, rarely(signerSeed, 3) ? 7 days : 1 hours);
        bytes memory refusal = _whyNotChange(m);
        if (refusal.length == 0 && rarely(mix(signerSeed, 3), 8)) {
            grace = 7 days + 1;
            refusal = abi.encodeWithSelector(IModelRegistry.GraceTooLong.selector, grace);
        }
        call(
            m.host,
            address(models),
            abi.encodeCall(IModelRegistry.rotateReceiptSigner, (m.id, signers[next], grace)),
            refusal
        );
        if (refusal.length != 0) return;
        m.previousSigner = m.signer;
        m.previousUntil = grace == 0 ? 0 : clock + grace;
        m.signer = next;
    }

    /// @dev Pauses, resumes, and now and then retires; a model that is not in the right state says so.
    function hostChangesStatus(uint256 modelSeed, uint256 kindSeed) external onTime {
        Model storage m = model[modelSeed % model.length];
        bytes memory refusal = _whyNotChange(m);
        if (rarely(kindSeed, 10)) {
            call(m.host, address(models), abi.encodeCall(IModelRegistry.retire, (m.id)), refusal);
            if (refusal.length == 0) m.status = IModelRegistry.Status.Retired;
            return;
        }
        bool pauses = mix(kindSeed, 1) % 3 == 0;
        IModelRegistry.Status from = pauses ? IModelRegistry.Status.Active : IModelRegistry.Status.Paused;
        if (refusal.length == 0 && m.status != from) {
            refusal = abi.encodeWithSelector(IModelRegistry.ModelStatusMismatch.selector, m.id, m.status);
        }
        bytes memory data =
            pauses ? abi.encodeCall(IModelRegistry.pause, (m.id)) : abi.encodeCall(IModelRegistry.resume, (m.id));
        call(m.host, address(models), data, refusal);
        if (refusal.length != 0) return;
        m.status = pauses ? IModelRegistry.Status.Paused : IModelRegistry.Status.Active;
    }

    function hostMovesToAnotherConsumer(uint256 modelSeed) external onTime {
        Model storage m = model[_modelAt(modelSeed)];
        address next = m.consumer == consumers[0] ? consumers[1] : consumers[0];
        bytes memory refusal = _whyNotChange(m);
        call(m.host, address(models), abi.encodeCall(IModelRegistry.updateConsumer, (m.id, next)), refusal);
        if (refusal.length == 0) m.consumer = next;
    }

    function hostRegisters(uint256 hostSeed, uint256 termsSeed) external onTime {
        if (model.length == MOST_MODELS) return;
        _register(hosts[1 + hostSeed % (hosts.length - 1)], consumers[hostSeed % 2], _someTerms(termsSeed));
    }

    /// @dev Opens at the meter in the name of a requester, with the tokens or without: what is not paid for is refused,
    ///      unless somebody gave tokens away.
    function hostOpensAtTheMeter(uint256 whoSeed, uint256 shapeSeed) external onTime {
        Model storage m = model[0];
        if (asked.length > MOST_DIRECT_REQUESTS) return;
        IUsageMeter.Opening memory o = IUsageMeter.Opening({
            modelId: m.id,
            requester: pick(requesters, whoSeed),
            subscriptionId: ++directCount,
            intervals: uint32(bound(mix(shapeSeed, 1), 1, 3)),
            redundancy: uint16(bound(mix(shapeSeed, 2), 1, 3)),
            deadline: uint40(clock + bound(mix(shapeSeed, 3), 1, 3 days))
        });
        uint256 cost = _fee(m.terms, m.terms.maxPromptTokens, m.terms.maxCompletionTokens) * o.intervals * o.redundancy;
        bool pays = !rarely(shapeSeed, 3);
        uint256 given = donated - donationsTaken;
        bytes memory refusal;
        if (meter.requestsPaused()) {
            refusal = abi.encodeWithSelector(IUsageMeter.RequestsArePaused.selector);
        } else if (m.status != IModelRegistry.Status.Active) {
            refusal = abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, m.id);
        } else if (pays) {
            token.mint(address(distributor), cost);
        } else if (given < cost) {
            uint256 reserves = distributor.reserves();
            refusal =
                abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, reserves + cost, reserves + given);
        }
        bytes memory answer_ = call(m.consumer, address(meter), abi.encodeCall(IUsageMeter.open, (o, PROMPT)), refusal);
        if (refusal.length != 0) return;
        Request memory request = Request({
            consumer: m.consumer,
            subscriptionId: o.subscriptionId,
            modelId: m.id,
            requester: o.requester,
            terms: m.terms,
            deadline: o.deadline,
            intervals: o.intervals,
            redundancy: o.redundancy
        });
        _opened(request, abi.decode(answer_, (bytes32)), 0, o.intervals == 1 ? 0 : 6 hours, cost, true);
        if (!pays) {
            funded -= cost;
            donationsTaken += cost;
        }
        bytes memory again = abi.encodeWithSelector(IUsageMeter.RequestAlreadyOpen.selector, asked[asked.length - 1].id);
        call(m.consumer, address(meter), abi.encodeCall(IUsageMeter.open, (o, PROMPT)), again);
    }

    /// @dev New tables for any model: members of either role or both, of one model or many, of none at all.
    function attesterNamesContributors(uint256 modelSeed, uint256 membersSeed, uint256 kindSeed) external onTime {
        _names(modelSeed % model.length, membersSeed, kindSeed);
    }

    function _names(uint256 modelIndex, uint256 membersSeed, uint256 kindSeed) internal {
        Model storage m = model[modelIndex];
        uint256 all = 2 ** operators.length;
        IRewardDistributor.ContributorTable memory t = IRewardDistributor.ContributorTable({
            modelId: m.id,
            training: _members(mix(membersSeed, 1) % all, mix(membersSeed, 2)),
            validators: _members(mix(membersSeed, 3) % all, mix(membersSeed, 4)),
            nonce: m.nonce + uint64(bound(mix(membersSeed, 5), 1, 3)),
            expiry: uint40(clock + bound(mix(membersSeed, 6), 0, 1 days))
        });
        uint256 by = mix(kindSeed, 1) % attesters.length;
        bytes memory refusal;
        uint256 kind = mix(kindSeed, 2) % 16;
        if (kind == 0) {
            t.nonce = m.nonce;
            refusal = abi.encodeWithSelector(IRewardDistributor.AttestationStale.selector, m.nonce, m.nonce);
        } else if (kind == 1) {
            t.expiry = uint40(clock - 1);
            refusal = abi.encodeWithSelector(IRewardDistributor.AttestationExpired.selector, clock - 1);
        } else if (kind == 2 || !distributor.isAttester(attesters[by])) {
            refusal = abi.encodeWithSelector(IRewardDistributor.AttestationInvalid.selector, attesters[by]);
        } else if (kind == 3 && t.training.length > 1) {
            t.training[1].account = t.training[0].account;
            refusal = abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, t.training[0].account);
        } else if (kind == 4 && t.validators.length > 1) {
            uint256 sum = MOST_WEIGHT;
            for (uint256 i = 1; i < t.validators.length; ++i) {
                sum += t.validators[i].weight;
            }
            t.validators[0].weight = uint32(MOST_WEIGHT);
            refusal = abi.encodeWithSelector(IRewardDistributor.WeightsTooLarge.selector, sum);
        }
        bytes memory signature = signDigest(distributor.tableDigest(t), kind == 2 ? "nobody" : attesterKeys[by]);
        call(
            stranger,
            address(distributor),
            abi.encodeCall(IRewardDistributor.setContributors, (t, attesters[by], signature)),
            refusal
        );
        if (refusal.length == 0) _changeTable(m, t);
    }

    function _register(address by, address door, Terms memory t) internal {
        IModelRegistry.Listing memory l = listing(vm.toString(model.length), t);
        l.consumer = door;
        vm.prank(by);
        ModelId id = models.register(l);
        Model storage m = model.push();
        (m.id, m.host, m.consumer, m.status, m.terms) = (id, by, door, IModelRegistry.Status.Active, t);
        (listed[model.length - 1][node], listed[model.length - 1][secondNode]) = (true, true);
    }

    function _whyNotChange(Model storage m) private view returns (bytes memory) {
        if (m.status != IModelRegistry.Status.Retired) return "";
        return abi.encodeWithSelector(IModelRegistry.ModelIsRetired.selector, m.id);
    }

    /// @dev A few base units per answer in half of all cases, now and then so much that rewards per delegated unit leave the
    ///      range of their books, and otherwise from nothing at all to a token per answer, in steps that divide badly.
    function _someTerms(uint256 seed) internal pure returns (Terms memory t) {
        uint256 kind = mix(seed, 1) % 16;
        uint256 most = 10 ** (mix(seed, 9) % 19);
        if (kind < 8) {
            t.requestPrice = uint96(bound(mix(seed, 2), 0, 9));
        } else if (kind == 8) {
            t.requestPrice = uint96(bound(mix(seed, 2), 1e24, 1e27));
        } else {
            t.requestPrice = uint96(bound(mix(seed, 2), 0, most));
            t.promptPrice = uint80(bound(mix(seed, 3), 0, 1e18));
            t.completionPrice = uint80(bound(mix(seed, 4), 0, most));
        }
        t.maxPromptTokens = uint32(bound(mix(seed, 5), 0, 300));
        t.maxCompletionTokens = uint32(bound(mix(seed, 6), 1, 100));
        t.trainingPpm = uint24(bound(mix(seed, 7), 0, PPM));
        t.validatorPpm = uint24(bound(mix(seed, 8), 0, PPM - t.trainingPpm));
    }

    function _members(uint256 mask, uint256 seed) private view returns (IRewardDistributor.Contributor[] memory) {
        address[] memory accounts = _chosen(operators, mask);
        uint32[] memory weights = new uint32[](accounts.length);
        for (uint256 i; i < weights.length; ++i) {
            uint256 weight = mix(seed, i);
            weights[i] = uint32(bound(weight, 1, weight % 4 == 0 ? 2 ** 21 : 100));
        }
        return contributors(accounts, weights);
    }

    function _chosen(address[] storage list, uint256 mask) internal view returns (address[] memory chosen) {
        uint256 count;
        for (uint256 i; i < list.length; ++i) {
            if (mask & (1 << i) != 0) count += 1;
        }
        chosen = new address[](count);
        for (uint256 i = list.length; i > 0; --i) {
            if (mask & (1 << (i - 1)) != 0) chosen[--count] = list[i - 1];
        }
    }
}

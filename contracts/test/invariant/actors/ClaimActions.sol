// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IStakeHook, IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {HostActions} from "./HostActions.sol";

/// @title Everybody claims, for itself or for others; the owner sets what it may; strangers try what they must not.
abstract contract ClaimActions is HostActions {
    uint256 private constant HIGHEST_CLAIM_FEE = 200_000;

    address internal receiverOfClaimFees;

    function hostClaims(uint256 whoSeed, uint256 shapeSeed) external onTime {
        (address caller, address to) = _callerAndReceiver(pick(hosts, whoSeed), shapeSeed);
        uint256 mask = mix(shapeSeed, 1) % 2 ** model.length;
        ModelId[] memory ids = new ModelId[](model.length);
        bytes memory refusal;
        uint256 net;
        uint256 count;
        for (uint256 i; i < model.length; ++i) {
            if (mask & (1 << i) == 0 || (to != address(0) && model[i].host != caller && mask % 4 != 0)) continue;
            ids[count++] = model[i].id;
            if (to != address(0) && model[i].host != caller && refusal.length == 0) {
                refusal = abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, model[i].host, caller);
            }
            (uint256 paid,) = _less(model[i].hostDue - model[i].hostClaimed, rates.hostPpm);
            net += paid;
        }
        assembly ("memory-safe") {
            mstore(ids, count)
        }
        if (refusal.length == 0 && net == 0) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        }
        bytes memory answer_ =
            call(caller, address(distributor), abi.encodeCall(IRewardDistributor.claimHost, (ids, to)), refusal);
        if (refusal.length != 0) return;
        assertEq(abi.decode(answer_, (uint256)), net, "paid to hosts");
        for (uint256 i; i < model.length; ++i) {
            for (uint256 j; j < ids.length; ++j) {
                if (ids[j] == model[i].id) _hostPaid(i, to);
            }
        }
    }

    /// @dev Now and then with an operator named twice.
    function operatorClaims(uint256 whoSeed, uint256 shapeSeed) external onTime {
        address who = pick(operators, whoSeed);
        (address caller, address to) = _callerAndReceiver(who, shapeSeed);
        address[] memory list = _operatorsToClaim(who, to == address(0), shapeSeed);
        uint256[] memory gross = new uint256[](list.length);
        uint256 net;
        for (uint256 i; i < list.length; ++i) {
            if (!_namedBefore(list, i)) gross[i] = _operatorDue(list[i]);
            (uint256 paid,) = _less(gross[i], rates.operatorPpm);
            net += paid;
        }
        bytes memory refusal;
        if (to != address(0) && caller != who) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, who, caller);
        } else if (net == 0) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        }
        bytes memory answer_ =
            call(caller, address(distributor), abi.encodeCall(IRewardDistributor.claimOperator, (list, to)), refusal);
        if (refusal.length != 0) return;
        assertEq(abi.decode(answer_, (uint256)), net, "paid to operators");
        for (uint256 i; i < list.length; ++i) {
            (uint256 paid, uint256 claimFee) = _less(gross[i], rates.operatorPpm);
            claimFeesDue += claimFee;
            _paid(to == address(0) ? list[i] : to, paid);
            if (_namedBefore(list, i)) continue;
            _settle(list[i]);
            operatorBook[list[i]].accrued = 0;
            operatorBook[list[i]].claimed += gross[i];
        }
    }

    function delegatorClaims(uint256 whoSeed, uint256 operatorSeed, uint256 shapeSeed) external onTime {
        address who = pick(delegators, whoSeed);
        (address caller, address to) = _callerAndReceiver(who, shapeSeed);
        _claimsAsDelegator(who, _operatorsToClaim(pick(operators, operatorSeed), true, shapeSeed), caller, to);
    }

    /// @dev Fees of some models wait, delegators are paid ahead of their operators, and one of the tables ends: what is split
    ///      later with those who were paid is the same sum.
    function claimsComeBeforeATableEnds(uint256 modelSeed, uint256 membersSeed, uint256 shapeSeed) external onTime {
        for (uint256 i; i < 3; ++i) {
            uint256 modelIndex = _modelAt(modelSeed % model.length + i);
            uint256 before = asked.length;
            _asks(pick(requesters, mix(shapeSeed, i)), modelIndex, 1, 0, 1, mix(shapeSeed, 50 + i));
            if (asked.length != before) _delivers(before, mix(shapeSeed, 60 + i), mix(shapeSeed, 70 + i));
        }
        for (uint256 i; i < delegators.length; ++i) {
            _claimsAsDelegator(delegators[i], operators, stranger, address(0));
        }
        _names(_modelAt(modelSeed % model.length), membersSeed, mix(shapeSeed, 80));
        for (uint256 i; i < operators.length; ++i) {
            _assertDues(operators[i]);
        }
    }

    function _claimsAsDelegator(address who, address[] memory list, address caller, address to) private {
        uint256[] memory gross = new uint256[](list.length);
        uint256 net;
        uint256 claimFees_;
        for (uint256 i; i < list.length; ++i) {
            if (!_namedBefore(list, i)) gross[i] = _delegatorDue(list[i], who);
            (uint256 paid, uint256 claimFee) = _less(gross[i], rates.delegatorPpm);
            (net, claimFees_) = (net + paid, claimFees_ + claimFee);
        }
        bytes memory refusal;
        if (to != address(0) && caller != who) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, who, caller);
        } else if (net == 0) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        }
        bytes memory answer_ = call(
            caller, address(distributor), abi.encodeCall(IRewardDistributor.claimDelegator, (who, list, to)), refusal
        );
        if (refusal.length != 0) return;
        assertEq(abi.decode(answer_, (uint256)), net, "paid to the delegator");
        for (uint256 i; i < list.length; ++i) {
            delegatorBook[list[i]][who].claimed += gross[i];
        }
        claimFeesDue += claimFees_;
        _paid(to == address(0) ? who : to, net);
    }

    function anyonePaysTheTreasury() external onTime {
        uint256 due = claimFeesDue - claimFeesPaid;
        bytes memory refusal;
        if (due == 0) refusal = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        call(stranger, address(distributor), abi.encodeCall(IRewardDistributor.payTreasury, ()), refusal);
        claimFeesPaid += due;
        _paid(receiverOfClaimFees, due);
    }

    function ownerSets(uint256 kindSeed, uint256 valueSeed) external onTime {
        uint256 kind = mix(kindSeed, 1) % 4;
        if (kind == 0) {
            rates = IRewardDistributor.ClaimFees({
                hostPpm: uint24(bound(mix(valueSeed, 1), 0, HIGHEST_CLAIM_FEE)),
                operatorPpm: uint24(bound(mix(valueSeed, 2), 0, HIGHEST_CLAIM_FEE)),
                delegatorPpm: uint24(bound(mix(valueSeed, 3), 0, HIGHEST_CLAIM_FEE))
            });
            call(owner, address(distributor), abi.encodeCall(IRewardDistributor.setClaimFees, (rates)), "");
            _feesChanged();
        } else if (kind == 1) {
            receiverOfClaimFees = mix(valueSeed, 1) % 2 == 0 ? treasury : safe;
            call(owner, address(distributor), abi.encodeCall(IRewardDistributor.setTreasury, (receiverOfClaimFees)), "");
        } else if (kind == 2) {
            bool paused = mix(valueSeed, 1) % 4 == 0;
            call(owner, address(meter), abi.encodeCall(IUsageMeter.setRequestsPaused, (paused)), "");
        } else {
            bool allowed = mix(valueSeed, 1) % 4 != 0;
            call(
                owner, address(distributor), abi.encodeCall(IRewardDistributor.setAttester, (attesters[1], allowed)), ""
            );
        }
    }

    /// @dev What is not theirs: each refused by name, whoever tries.
    function strangerTrespasses(uint256 kindSeed, uint256 modelSeed) external onTime {
        Model storage m = model[modelSeed % model.length];
        uint256 kind = mix(kindSeed, 1) % 14;
        address target = address(distributor);
        bytes memory data;
        IStakeVault.Stake memory stake;
        bytes memory refusal = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger);
        if (kind == 0) {
            data = abi.encodeCall(IRewardDistributor.setClaimFees, (rates));
        } else if (kind == 1) {
            data = abi.encodeCall(IRewardDistributor.setTreasury, (stranger));
        } else if (kind == 2) {
            data = abi.encodeCall(IRewardDistributor.setAttester, (stranger, true));
        } else if (kind < 6) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NotMeter.selector, stranger);
            if (kind == 3) data = abi.encodeCall(IRewardDistributor.takeEscrow, (1));
            else if (kind == 4) data = abi.encodeCall(IRewardDistributor.bookFee, (m.id, 1, 0, 0, stranger, 1));
            else data = abi.encodeCall(IRewardDistributor.refundEscrow, (stranger, 1));
        } else if (kind == 6) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NotVault.selector, stranger);
            data = abi.encodeCall(IStakeHook.beforeStakeChange, (operators[0], stake, stranger, 1e18));
        } else if (kind == 7) {
            target = address(meter);
            refusal = abi.encodeWithSelector(IUsageMeter.NotOwner.selector, stranger);
            data = abi.encodeCall(IUsageMeter.setRequestsPaused, (true));
        } else if (kind == 8) {
            target = consumers[modelSeed % 2];
            refusal = abi.encodeWithSelector(IModelHostConsumer.NotHost.selector, stranger);
            data = abi.encodeCall(IModelHostConsumer.setDelegateSigner, (stranger));
        } else if (kind == 9) {
            (bool rejected,) = address(distributor).call("");
            assertTrue(!rejected, "nothing is done without a name");
            return;
        } else if (kind == 12) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NotMeter.selector, stranger);
            data = abi.encodeCall(IRewardDistributor.takeBalance, (requesters[0], 1));
        } else if (kind == 13) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NotEmissions.selector, stranger);
            data = abi.encodeCall(IRewardDistributor.noteFundedEpoch, (_today()));
        } else {
            target = address(models);
            refusal = abi.encodeWithSelector(IModelRegistry.NotModelHost.selector, m.id, stranger);
            data = kind == 10
                ? abi.encodeCall(IModelRegistry.retire, (m.id))
                : abi.encodeCall(IModelRegistry.rotateReceiptSigner, (m.id, stranger, 0));
        }
        call(stranger, target, data, refusal);
    }

    function anyoneGivesTokensAway(uint256 amountSeed) external onTime {
        uint256 amount = bound(mix(amountSeed, 1), 1, 10 ** (mix(amountSeed, 2) % 20));
        uint256 kind = mix(amountSeed, 3) % 3;
        if (kind == 0) {
            token.mint(address(distributor), amount);
            donated += amount;
        } else if (kind == 1) {
            token.mint(address(emissions), amount);
            emissionsDonated += amount;
        } else {
            stakeToken.mint(address(vault), amount);
            stakeDonated += amount;
        }
    }

    /// @dev Minutes mostly, at times to the end of the day or days.
    function timePasses(uint256 seed) external {
        uint256 kind = mix(seed, 2) % 6;
        if (kind == 0) _moveTo((_today() + 1) * 1 days);
        else _moveTo(clock + bound(mix(seed, 1), 1, kind == 1 ? 3 days : 2 hours));
    }

    function _feesChanged() internal {
        uint256 lower = rates.operatorPpm < rates.delegatorPpm ? rates.operatorPpm : rates.delegatorPpm;
        feeChanges.push(FeeChange(_today(), lower));
    }

    function _hostPaid(uint256 index, address to) internal {
        Model storage m = model[index];
        (uint256 paid, uint256 claimFee) = _less(m.hostDue - m.hostClaimed, rates.hostPpm);
        m.hostClaimed = m.hostDue;
        claimFeesDue += claimFee;
        _paid(to == address(0) ? m.host : to, paid);
    }

    function _operatorsToClaim(address first, bool many, uint256 seed) private view returns (address[] memory list) {
        list = new address[](many ? 1 + mix(seed, 1) % 4 : rarely(seed, 4) ? 2 : 1);
        list[0] = first;
        for (uint256 i = 1; i < list.length; ++i) {
            list[i] = many ? operators[mix(seed, 2 + i) % operators.length] : first;
        }
    }

    function _namedBefore(address[] memory list, uint256 place) private pure returns (bool) {
        for (uint256 i; i < place; ++i) {
            if (list[i] == list[place]) return true;
        }
        return false;
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Order, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {EmissionSetup} from "./EmissionSetup.t.sol";

/// @title Calling one's own model never pays, whatever the emissions.
/// @notice The coalition of these tests is everyone who could gain: requester, model host, consumer contract, node, receipt
///         signer, all contributors of its models and all their delegators. It pays fees to itself, and outsiders fund the
///         pools.
/// @notice The argument. Of all fees that the coalition pays, let C be the contributors' part; the host's part comes back at
///         best whole. Let p be the lower claim fee of operators and delegators. Claiming C costs p C or more. No table
///         gets more than p times its units, and units are contributors' fees, so emissions are p C at most; claiming
///         them costs p of them or more. In all the coalition has
///             - p C + p C (1 - p) = - p^2 C
///         less at the end than before, or loses more. The bound does not depend on prices, splits, weights, stake, sigma,
///         the size of the pools, the usage of others, or on when and in which order anything happens, as long as the claim
///         fees stay as they are.
/// @notice The tolerance. Every claim rounds its fee down, which spares less than one base unit; a table that ends leaves its
///         host less than one base unit for each member, without the contributors' claim fee. Nothing else rounds in the
///         coalition's favour: the tests allow for one unit for each claim and each member of a table that ended.
contract SelfDealingTest is EmissionSetup {
    uint256 internal constant MODELS = 3;
    uint256 internal constant MOST_DAYS = 3;
    uint256 internal constant OPERATORS = 5;
    uint256 internal constant DELEGATORS = 2;
    /// @dev Claims of fees and of emissions by each operator and each delegator of each operator, and one by the host.
    uint256 internal constant CLAIMS = 2 * OPERATORS * (1 + DELEGATORS) + 1;
    /// @dev What the coalition has; no strategy below can spend as much.
    uint256 internal constant WEALTH = 1e30;

    uint256 internal constant POOL_OF_A_DAY = 1_000e18;

    /// @dev What a strategy may draw. A price is 10 to a power between the bounds, times 1 to 9.
    struct Range {
        uint256 leastPower;
        uint256 mostPower;
        uint256 leastTrainingPpm;
        uint256 leastClaimPpm;
    }

    address internal ownConsumer = actor("coalition's consumer");
    address internal honestHost = actor("honest host");
    address internal honestConsumer = actor("honest consumer");
    address internal honestRequester = actor("honest requester");
    address internal honestContributor = actor("honest contributor");

    ModelId[] internal ids;
    IEmissionProgram.Share[] internal shares;
    uint256 internal entropy;
    uint256 internal orders;
    /// @dev Lower bound of the contributors' part of the coalition's fees.
    uint256 internal contributed;
    uint256 internal tolerance;

    function setUp() public override {
        super.setUp();
        token.mint(honestRequester, WEALTH);
        _deposit(honestRequester, WEALTH);
        uint256 surplus = token.balanceOf(requester) - WEALTH;
        vm.prank(requester);
        token.transfer(funder, surplus);
        _deposit(requester, WEALTH / 2);
    }

    /// Amounts from single base units up, claim fees from zero up.
    function testFuzz_coalition_neverProfits(uint256 seed) public {
        _play(seed, Range({leastPower: 0, mostPower: 24, leastTrainingPpm: 0, leastClaimPpm: 0}));

        // Claim fees of both roles, at their lower one, from fees and emissions.
        uint256 lostAtLeast = contributed * emissions.capPpm(block.timestamp / 1 days + 1) ** 2 / 1e12;
        assertLe(_wealth() + lostAtLeast, WEALTH + tolerance, "p^2 C less, but for rounding");
    }

    /// With a price of one token and claim fees of 1 % rounding is out of sight: every strategy loses.
    function testFuzz_coalition_losesWhenRoundingDoesNotMatter(uint256 seed) public {
        _play(seed, Range({leastPower: 18, mostPower: 24, leastTrainingPpm: 1_000, leastClaimPpm: 10_000}));

        assertTrue(contributed >= 1e15, "contributors earned something");
        assertTrue(_wealth() < WEALTH, "less than before");
    }

    /// The whole of it by hand, and what the cap is for.
    function test_coalition_wouldProfitWithoutTheCap() public {
        (uint256 tableId, uint256 lost) = _dealWith(POOL_OF_A_DAY);

        // Contributors' fees 75e18 cost 6e18 to claim; emissions of 6e18 bring 5.52e18.
        assertEq(lost, 0.48e18, "p^2 C");
        uint256 uncapped = POOL_OF_A_DAY;
        uint256 capped = 6e18;
        _assertSettlement(tableId, EPOCH, capped / 2, capped / 2);
        _assertPool(EPOCH + 2, uncapped - capped, 0);
        assertTrue((uncapped - capped) * 920_000 / 1e6 > 1_000 * lost, "the whole pool, and with it a large profit");
        assertTrue(capped * 920_000 / 1e6 > lost, "a cap twice as high would do");
    }

    /// A pool below the cap gives less, and so loses more.
    function testFuzz_coalition_losesMoreOfSmallerPools(uint256 pool) public {
        pool = bound(pool, 1, 6e18);

        (, uint256 lost) = _dealWith(pool);

        uint256 claimFee = pool / 2 * 80_000 / 1e6 + (pool - pool / 2) * 80_000 / 1e6;
        assertEq(lost, 6e18 - (pool - claimFee), "claim fees of both, less the pool");
        assertGe(lost, 0.48e18, "at least p^2 C");
    }

    /// Ten models, ten tables, one day: the cap of a table does not depend on how many there are.
    function test_coalition_gainsNothingByDividingItsUsage() public {
        uint256 count = 10;
        _fund(EPOCH, POOL_OF_A_DAY);
        uint256 before = _wealth();
        uint256[] memory tableIds = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            ids.push(_model(vm.toString(i), 10e18));
            tableIds[i] = _setTable(ids[i], trainerA, validatorA);
        }
        _beginDay(EPOCH);
        for (uint256 i; i < count; ++i) {
            _use(ids[i], 1);
        }
        _beginDay(EPOCH + 1);
        for (uint256 i; i < count; ++i) {
            emissions.claimOperator(trainerA, _shares(tableIds[i], EPOCH), address(0));
            emissions.claimOperator(validatorA, _shares(tableIds[i], EPOCH), address(0));
        }
        _claimFees();

        assertEq(before - _wealth(), 0.48e18, "as with one model of ten times the price");
    }

    /// @dev One model, one answer for 100e18, one training node and one validator without stake.
    function _dealWith(uint256 pool) private returns (uint256 tableId, uint256 lost) {
        ids.push(_model("own", 100e18));
        tableId = _setTable(ids[0], trainerA, validatorA);
        _fund(EPOCH, pool);
        uint256 before = _wealth();
        _beginDay(EPOCH);
        _use(ids[0], 1);
        _beginDay(EPOCH + 1);
        if (pool == 1) {
            emissions.settle(_share(tableId, EPOCH));
        } else {
            emissions.claimOperator(trainerA, _shares(tableId, EPOCH), address(0));
        }
        emissions.claimOperator(validatorA, _shares(tableId, EPOCH), address(0));
        _claimFees();
        lost = before - _wealth();
    }

    function _claimFees() private {
        distributor.claimOperator(two(trainerA, validatorA), address(0));
        distributor.claimHost(ids, address(0));
    }

    /// @dev A strategy: some days, on each of them some of everything, then all claims.
    function _play(uint256 seed, Range memory range) private {
        entropy = seed;
        _drawClaimFees(range);
        _drawStake();
        for (uint256 i; i < MODELS; ++i) {
            ids.push(_drawModel(i, range));
            _drawTable(i, i == 0);
        }
        ModelId honest = _registerHonest();
        uint256 count = 1 + _draw(MOST_DAYS);
        for (uint256 day; day < count; ++day) {
            if (day == 0 || _draw(4) != 0) _fund(EPOCH + day, 10 ** _draw(25) * (1 + _draw(9)));
        }
        assertEq(_wealth(), WEALTH, "wealth before");

        for (uint256 day; day < count; ++day) {
            _beginDay(EPOCH + day);
            if (day == 0) _ask(0);
            uint256 actions = 1 + _draw(8);
            for (uint256 i; i < actions; ++i) {
                _drawAction(EPOCH + day, honest, range);
            }
        }

        _beginDay(EPOCH + count + _draw(2));
        _noteShares(EPOCH, count);
        _shuffleShares();
        if (_draw(2) == 0) {
            for (uint256 i; i < shares.length; ++i) {
                emissions.settle(shares[i]);
            }
        }
        _claimAll();
        for (uint256 i; i < shares.length; ++i) {
            emissions.settle(shares[i]);
        }
    }

    function _drawAction(uint256 epoch, ModelId honest, Range memory range) private {
        uint256 action = _draw(10);
        if (action < 4) _ask(_draw(MODELS));
        else if (action == 4) _order(honest, honestConsumer, "honest requester", "honest signer");
        else if (action == 5) _drawTable(_draw(MODELS), false);
        else if (action == 6) _drawStakeChange();
        else if (action == 7) _drawSplit(_draw(MODELS), range);
        else _claimSome(epoch);
    }

    /// @dev A claim in between: of fees, or of the emissions of a day that is over.
    function _claimSome(uint256 epoch) private {
        if (epoch > EPOCH) {
            delete shares;
            _noteShares(EPOCH, epoch - EPOCH);
            _shuffleShares();
        }
        _claim(_draw(CLAIMS));
        delete shares;
    }

    function _claimAll() private {
        uint256[] memory claims = new uint256[](CLAIMS);
        for (uint256 i; i < CLAIMS; ++i) {
            claims[i] = i;
        }
        for (uint256 i; i < CLAIMS; ++i) {
            uint256 pick = i + _draw(CLAIMS - i);
            (claims[i], claims[pick]) = (claims[pick], claims[i]);
            _claim(claims[i]);
        }
    }

    function _claim(uint256 which) private {
        if (which == CLAIMS - 1) {
            uint256 due;
            for (uint256 i; i < ids.length; ++i) {
                due += distributor.claimableHost(ids[i]);
            }
            if (due == 0) return;
            tolerance += ids.length;
            distributor.claimHost(ids, address(0));
            return;
        }
        address operator = _operator(which / 2 / (1 + DELEGATORS));
        uint256 who = which / 2 % (1 + DELEGATORS);
        ++tolerance;
        if (which % 2 == 0) _claimFeesOf(operator, who);
        else _claimEmissionsOf(operator, who);
    }

    function _claimFeesOf(address operator, uint256 who) private {
        if (who == 0) {
            if (distributor.claimableOperator(operator) != 0) distributor.claimOperator(one(operator), address(0));
        } else {
            address delegator = _delegator(who - 1);
            if (distributor.claimableDelegator(delegator, operator) == 0) return;
            distributor.claimDelegator(delegator, one(operator), address(0));
        }
    }

    function _claimEmissionsOf(address operator, uint256 who) private {
        for (uint256 i; i < shares.length; ++i) {
            if (_emissionOf(operator, who, shares[i]) == 0) continue;
            // What is due of one share makes the claim of all of them go through.
            if (who == 0) emissions.claimOperator(operator, shares, address(0));
            else emissions.claimDelegator(_delegator(who - 1), operator, shares, address(0));
            return;
        }
    }

    function _emissionOf(address operator, uint256 who, IEmissionProgram.Share memory share)
        private
        view
        returns (uint256)
    {
        return who == 0
            ? emissions.claimableOperator(operator, share)
            : emissions.claimableDelegator(_delegator(who - 1), operator, share);
    }

    /// @dev All tables there are, of every epoch that is named.
    function _noteShares(uint256 firstEpoch, uint256 count) private {
        (uint256 lastTable,,,) = distributor.contributorsOf(ids[0]);
        for (uint256 i = 1; i < ids.length; ++i) {
            (uint256 tableId,,,) = distributor.contributorsOf(ids[i]);
            if (tableId > lastTable) lastTable = tableId;
        }
        for (uint256 tableId = 1; tableId <= lastTable; ++tableId) {
            for (uint256 i; i < count; ++i) {
                if (distributor.unitsOf(tableId, firstEpoch + i) != 0) shares.push(_share(tableId, firstEpoch + i));
            }
        }
    }

    function _shuffleShares() private {
        for (uint256 i; i < shares.length; ++i) {
            uint256 pick = i + _draw(shares.length - i);
            IEmissionProgram.Share memory share = shares[i];
            shares[i] = shares[pick];
            shares[pick] = share;
        }
    }

    /// @dev All that the coalition has, and all that it could still claim, before claim fees.
    function _wealth() private view returns (uint256 sum) {
        sum = token.balanceOf(requester) + token.balanceOf(host) + token.balanceOf(ownConsumer)
            + token.balanceOf(node) + distributor.balanceOf(requester);
        for (uint256 i; i < ids.length; ++i) {
            sum += distributor.claimableHost(ids[i]);
        }
        for (uint256 i; i < OPERATORS; ++i) {
            address operator = _operator(i);
            sum += token.balanceOf(operator) + distributor.claimableOperator(operator);
            for (uint256 j; j < shares.length; ++j) {
                sum += _emissionOf(operator, 0, shares[j]);
            }
        }
        for (uint256 i; i < DELEGATORS; ++i) {
            sum += token.balanceOf(_delegator(i));
            for (uint256 j; j < OPERATORS; ++j) {
                sum += distributor.claimableDelegator(_delegator(i), _operator(j));
                for (uint256 k; k < shares.length; ++k) {
                    sum += _emissionOf(_operator(j), i + 1, shares[k]);
                }
            }
        }
    }

    /// @dev One answer of 17 prompt and 23 completion tokens, as request or as order.
    function _ask(uint256 index) private {
        IModelRegistry.Model memory model = models.getModel(ids[index]);
        Terms memory t = model.terms;
        uint256 fee =
            t.requestPrice + (17 * uint256(t.promptPrice) + 23 * uint256(t.completionPrice) + 999_999) / 1_000_000;
        (,, IRewardDistributor.Contributor[] memory training, IRewardDistributor.Contributor[] memory validators) =
            distributor.contributorsOf(ids[index]);
        if (training.length != 0) contributed += fee * t.trainingPpm / 1e6;
        if (validators.length != 0) contributed += fee * t.validatorPpm / 1e6;
        if (model.consumer == ownConsumer) _order(ids[index], ownConsumer, "requester", "receipt signer");
        else _use(ids[index], 1);
    }

    /// @dev A consumer may be an account without code: nothing of Infernet is needed between friends.
    function _order(ModelId id, address consumer_, string memory requesterName, string memory signerName) private {
        Order memory order_ = Order({
            consumer: consumer_,
            modelId: id,
            requester: actor(requesterName),
            terms: models.getModel(id).terms,
            payloadHash: keccak256(PROMPT),
            payloadBytes: uint32(PROMPT.length),
            deadline: type(uint40).max,
            salt: bytes32(++orders)
        });
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);
        bytes memory proof = orderProof(order_, requesterName, receipt, sign(receipt, signerName));
        bytes memory output_ = output(receipt);
        vm.prank(consumer_);
        meter.record(0, 1, node, output_, proof);
    }

    function _drawModel(uint256 index, Range memory range) private returns (ModelId) {
        IModelRegistry.Listing memory listing_ = listing(vm.toString(index), _drawTerms(range));
        if (_draw(2) == 0) listing_.consumer = ownConsumer;
        vm.prank(host);
        return models.register(listing_);
    }

    function _drawTerms(Range memory range) private returns (Terms memory t) {
        t = terms();
        uint256 power = range.leastPower + _draw(range.mostPower - range.leastPower + 1);
        t.requestPrice = uint96(10 ** power * (1 + _draw(9)));
        t.promptPrice = uint80(_draw(4) * 10 ** _draw(range.mostPower));
        t.completionPrice = uint80(_draw(4) * 10 ** _draw(range.mostPower));
        t.trainingPpm = uint24(range.leastTrainingPpm + _draw(1_000_001 - range.leastTrainingPpm));
        t.validatorPpm = uint24(_draw(1_000_001 - t.trainingPpm));
    }

    /// @dev The price stays: a split that changes on the way must not change what is paid.
    function _drawSplit(uint256 index, Range memory range) private {
        Terms memory drawn = _drawTerms(range);
        Terms memory t = models.getModel(ids[index]).terms;
        (t.trainingPpm, t.validatorPpm) = (drawn.trainingPpm, drawn.validatorPpm);
        vm.prank(host);
        models.updateTerms(ids[index], t);
    }

    function _drawTable(uint256 index, bool needsTraining) private {
        (,, IRewardDistributor.Contributor[] memory training, IRewardDistributor.Contributor[] memory validators) =
            distributor.contributorsOf(ids[index]);
        tolerance += training.length + validators.length;
        training = _drawMembers(needsTraining);
        validators = _drawMembers(false);
        _setTable(ids[index], training, validators);
    }

    function _drawMembers(bool needsOne) private returns (IRewardDistributor.Contributor[] memory) {
        uint256 set = _draw(1 << OPERATORS);
        if (needsOne) set |= 1;
        uint256 count;
        for (uint256 i; i < OPERATORS; ++i) {
            count += set >> i & 1;
        }
        address[] memory accounts = new address[](count);
        uint32[] memory weights = new uint32[](count);
        for (uint256 i; i < OPERATORS; ++i) {
            if (set >> i & 1 == 0) continue;
            accounts[--count] = _operator(i);
            weights[count] = uint32(1 + _draw(2) * _draw(1_000_000));
        }
        return contributors(accounts, weights);
    }

    function _drawStake() private {
        for (uint256 i; i < OPERATORS; ++i) {
            _stake(_operator(i), _draw(3) * 10 ** _draw(25), _draw(4) * 333_333);
            for (uint256 j; j < DELEGATORS; ++j) {
                if (_draw(2) == 0) _delegate(_delegator(j), _operator(i), 10 ** _draw(25));
            }
        }
    }

    function _drawStakeChange() private {
        address operator = _operator(_draw(OPERATORS));
        address delegator = _delegator(_draw(DELEGATORS));
        uint256 change = _draw(4);
        uint256 delegation = vault.delegationOf(delegator, operator);
        if (change == 0) {
            _addStake(operator, 10 ** _draw(25));
        } else if (change == 1) {
            _delegate(delegator, operator, 10 ** _draw(25));
        } else if (change == 2 && delegation != 0) {
            vm.prank(delegator);
            vault.undelegate(operator, 1 + _draw(delegation));
        } else if (change == 3 && vault.stakeOf(operator).own != 0) {
            uint256 own = vault.stakeOf(operator).own;
            vm.prank(operator);
            vault.requestWithdrawal(own);
        }
    }

    function _drawClaimFees(Range memory range) private {
        uint256 most = distributor.MAX_CLAIM_FEE_PPM();
        uint24 hostPpm = uint24(_draw(2) * _draw(most + 1));
        uint24 operatorPpm = uint24(range.leastClaimPpm + _draw(most + 1 - range.leastClaimPpm));
        uint24 delegatorPpm = uint24(range.leastClaimPpm + _draw(most + 1 - range.leastClaimPpm));
        vm.prank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(hostPpm, operatorPpm, delegatorPpm));
    }

    function _registerHonest() private returns (ModelId id) {
        IModelRegistry.Listing memory listing_ = listing("honest", _terms(1e18, 500_000, 250_000));
        listing_.consumer = honestConsumer;
        listing_.receiptSigner = actor("honest signer");
        vm.prank(honestHost);
        id = models.register(listing_);
        _setTable(id, honestContributor, honestContributor);
    }

    function _deposit(address account, uint256 amount) private {
        vm.startPrank(account);
        token.approve(address(distributor), amount);
        distributor.deposit(account, amount);
        vm.stopPrank();
    }

    /// @dev The next number of the strategy, below `limit`.
    function _draw(uint256 limit) private returns (uint256) {
        entropy = uint256(keccak256(abi.encode(entropy)));
        return entropy % limit;
    }

    function _operator(uint256 index) private view returns (address) {
        if (index == 0) return trainerA;
        if (index == 1) return trainerB;
        if (index == 2) return trainerC;
        return index == 3 ? validatorA : validatorB;
    }

    function _delegator(uint256 index) private view returns (address) {
        return index == 0 ? delegatorA : delegatorB;
    }
}
